namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>y = max(x, 0): dx = dy where y &gt; 0, else 0, as PyTorch has it at 0.</summary>
internal sealed class ReluGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Relu"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node) =>
        [node.Graph.Mul(node.Graph.IsPositive(node.Output()), node.CompactGradient().Tensor)];
}
