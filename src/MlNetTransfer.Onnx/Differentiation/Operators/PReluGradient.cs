namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>y = x where x &gt; 0, else s·x: dx = dy, or s·dy; ds = Σ dy·min(x, 0).</summary>
internal sealed class PReluGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["PRelu"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        string x = node.Input(0),
            dy = node.OutputGradient();
        string? input = null,
            slope = null;
        if (node.Needs(0))
            input = graph.Mul(
                dy,
                graph.Node("Where", [graph.Node("Greater", [x, graph.Scalar(0)]), graph.Scalar(1), node.Input(1)])
            );
        if (node.Needs(1))
            slope = graph.Mul(dy, graph.Node("Min", [x, graph.Scalar(0)]));
        return [input, slope is null ? null : node.Unbroadcast(slope!, 1)];
    }
}
