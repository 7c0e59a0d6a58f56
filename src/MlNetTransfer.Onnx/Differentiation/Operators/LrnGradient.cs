namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// y = x·s^-β with s = bias + α/size·Σ x² over a window of channels: dx = dy·s^-β - 2·α·β/size·x·Σ dy·y/s over the
/// channels whose windows hold x (Krizhevsky et al., 2012). Sums over windows are average pools along the channels.
/// </summary>
internal sealed class LrnGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["LRN"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        (float alpha, float beta, float bias) = (
            node.Float("alpha", 1e-4f),
            node.Float("beta", 0.75f),
            node.Float("bias", 1)
        );
        string x = node.Input(0),
            dy = node.OutputGradient();
        string s = graph.Add(graph.Mul(Mean(node, graph.Mul(x, x)), alpha), graph.Scalar(bias));
        string direct = graph.Mul(dy, graph.Node("Pow", [s, graph.Scalar(-beta)]));
        string others = Mean(node, graph.Div(graph.Mul(dy, node.Output()), s));
        return [graph.Sub(direct, graph.Mul(graph.Mul(x, others), 2 * alpha * beta))];
    }

    /// <summary>
    /// Sum over a window of channels, divided by its size. Windows are odd (ONNX Runtime runs no others), so that they
    /// are the same both ways.
    /// </summary>
    private static string Mean(BackwardNode node, string tensor)
    {
        long[] shape = node.InputShape(0);
        long size = node.Int("size", 1);
        long[] kernel = [size, 1],
            pads = [size / 2, 0, size / 2, 0];
        string columns = node.Graph.Reshape(tensor, shape[0], 1, shape[1], -1);
        string mean = node.Graph.Node(
            "AveragePool",
            [columns],
            Attributes.Of("kernel_shape", kernel),
            Attributes.Of("pads", pads),
            Attributes.Of("count_include_pad", 1)
        );
        return node.Graph.Reshape(mean, shape);
    }
}
