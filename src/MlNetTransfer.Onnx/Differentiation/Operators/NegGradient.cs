namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>y = -x: dx = -dy.</summary>
internal sealed class NegGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Neg"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        Gradient dy = node.CompactGradient();
        return [dy with { Tensor = node.Graph.Neg(dy.Tensor) }];
    }
}
