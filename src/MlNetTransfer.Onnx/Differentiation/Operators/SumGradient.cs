namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>Sum or mean of n tensors, broadcast: the gradient of each is dy, for the mean dy / n.</summary>
internal sealed class SumGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Mean", "Sum"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        Gradient dy = node.CompactGradient();
        if (node.Operator == "Mean")
            dy = dy with { Tensor = node.Graph.Mul(dy.Tensor, 1f / node.InputCount) };
        return [.. Enumerable.Range(0, node.InputCount).Select(i => node.Needs(i) ? node.Unbroadcast(dy, i) : null)];
    }
}
