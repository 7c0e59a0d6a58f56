namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Norms and the like over axes: dx = dy·∂y/∂x with dy repeated along them. The gradient of a norm is 0 where the norm
/// is, as in PyTorch.
/// </summary>
internal sealed class ReduceFunctionGradient : IOperatorGradient
{
    /// <summary>Keeps 0 / 0 away; a norm below it has lost its digits anyway.</summary>
    private const float Tiny = 1e-37f;

    public IReadOnlyList<string> Operators => ["ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceSumSquare"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        long[] axes = ReducedAxes.Of(node);
        string x = node.Input(0),
            dy = ReducedAxes.Keep(node, axes, node.OutputGradient()),
            y = ReducedAxes.Keep(node, axes, node.Output());
        return
        [
            node.Operator switch
            {
                "ReduceL1" => graph.Mul(graph.Node("Sign", [x]), dy),
                "ReduceL2" => graph.Mul(x, graph.Div(dy, graph.Node("Max", [y, graph.Scalar(Tiny)]))),
                "ReduceLogSumExp" => graph.Mul(graph.Exp(graph.Sub(x, y)), dy),
                _ => graph.Mul(x, graph.Mul(dy, 2)),
            },
        ];
    }
}
