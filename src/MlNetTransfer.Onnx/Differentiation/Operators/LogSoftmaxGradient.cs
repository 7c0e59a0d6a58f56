namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>y = x - ln Σ exp(x) over an axis: dx = dy - exp(y)·Σ dy.</summary>
internal sealed class LogSoftmaxGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["LogSoftmax"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string dy = node.OutputGradient(),
            sum = node.Graph.ReduceSum(dy, [node.Int("axis", -1)], keep: true);
        return [node.Graph.Sub(dy, node.Graph.Mul(node.Graph.Exp(node.Output()), sum))];
    }
}
