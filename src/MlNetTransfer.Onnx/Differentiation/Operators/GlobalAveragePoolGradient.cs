namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// y = mean of x over its maps: dx = dy / (size of a map), the same everywhere, so it stays one number per map.
/// </summary>
internal sealed class GlobalAveragePoolGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["GlobalAveragePool"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        long[] shape = node.InputShape(0);
        return
        [
            new Gradient(
                node.Graph.Mul(node.OutputGradient(), 1f / shape[2..].Aggregate(1L, (a, b) => a * b), shape.Length),
                Compact: true
            ),
        ];
    }
}
