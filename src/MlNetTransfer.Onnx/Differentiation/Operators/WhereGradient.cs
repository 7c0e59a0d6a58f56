namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>y = a where the condition holds, else b: dy goes to the one that was taken.</summary>
internal sealed class WhereGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Where"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string dy = node.OutputGradient(),
            zero = node.Graph.Scalar(0);
        return
        [
            null,
            node.Needs(1) ? node.Unbroadcast(node.Graph.Node("Where", [node.Input(0), dy, zero])!, 1) : null,
            node.Needs(2) ? node.Unbroadcast(node.Graph.Node("Where", [node.Input(0), zero, dy])!, 2) : null,
        ];
    }
}
