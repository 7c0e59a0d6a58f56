namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>y = exp(x) / Σ exp(x) over an axis: dx = y·(dy - Σ dy·y).</summary>
internal sealed class SoftmaxGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Softmax"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string dy = node.OutputGradient(),
            y = node.Output();
        string inner = node.Graph.ReduceSum(node.Graph.Mul(dy, y), [node.Int("axis", -1)], keep: true);
        return [node.Graph.Mul(y, node.Graph.Sub(dy, inner))];
    }
}
