namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Largest or smallest of several tensors, broadcast: dy goes to the input that has it; inputs that tie share it
/// equally, as in PyTorch.
/// </summary>
internal sealed class ExtremeGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Max", "Min"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        if (node.InputCount == 1)
            return [node.CompactGradient()];
        string[] attained =
        [
            .. Enumerable.Range(0, node.InputCount).Select(i => graph.IsEqual(node.Input(i), node.Output())),
        ];
        string share = graph.Div(node.OutputGradient(), graph.Node("Sum", attained));
        return [.. attained.Select((has, i) => node.Needs(i) ? node.Unbroadcast(graph.Mul(has, share)!, i) : null)];
    }
}
