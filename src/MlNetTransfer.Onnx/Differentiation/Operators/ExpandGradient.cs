namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>x broadcast to a shape: dx = Σ dy over what was repeated.</summary>
internal sealed class ExpandGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Expand"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node) => [node.Unbroadcast(node.CompactGradient(), 0)];
}
