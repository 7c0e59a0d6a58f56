namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// y = γ·x̂ + β with x̂ = (x - μ) / √(σ² + ε), per channel: dβ = Σ dy, dγ = Σ dy·x̂, and dx = γ / √(σ² + ε) · dy with
/// running statistics. With those of the batch of n elements per channel dx = γ / √(σ² + ε) · (dy - dβ / n - x̂·dγ / n)
/// (Ioffe and Szegedy, 2015).
/// </summary>
internal sealed class BatchNormalizationGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["BatchNormalization"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        if (node.Needs(3) || node.Needs(4))
            throw node.Unsupported("statistics that are trained");
        GraphEmitter graph = node.Graph;
        bool training = node.Int("training_mode", 0) != 0;
        if (training && node.Float("momentum", 0.9f) != 0)
            throw node.Unsupported("training_mode 1 and a momentum, which hides the statistics of the batch");
        long[] shape = node.InputShape(0),
            column = [shape[1], .. shape.Skip(2).Select(_ => 1L)],
            axes = [0, .. Enumerable.Range(2, shape.Length - 2).Select(i => (long)i)];
        (string mean, string variance) = training
            ? (node.ExtraOutput(1), node.ExtraOutput(2))
            : (node.Input(3), node.Input(4));
        string inverse = graph.Div(
            graph.Scalar(1),
            graph.Node("Sqrt", [graph.Add(variance, graph.Scalar(node.Float("epsilon", 1e-5f)))])
        );
        string dy = node.OutputGradient(),
            slope = graph.Mul(node.Input(1), inverse);
        string? shift = training || node.Needs(2) ? graph.ReduceSum(dy, axes) : null,
            scale = null;
        if (training || node.Needs(1))
            scale = graph.Mul(
                graph.ReduceSum(graph.Mul(dy, graph.Sub(node.Input(0), graph.Reshape(mean, column))), axes),
                inverse
            );
        string? input = null;
        if (node.Needs(0))
        {
            input = graph.Mul(dy, graph.Reshape(slope, column));
            if (training)
                input = graph.Sub(input, OfStatistics(node, column, slope, graph.Mul(scale!, inverse), shift!, mean));
        }

        return [input, node.Needs(1) ? scale : null, node.Needs(2) ? shift : null];
    }

    /// <summary>
    /// slope · (dβ + (x - μ)·q) / n, where q = dγ / √(σ² + ε), as one multiplication and one addition per element.
    /// </summary>
    private static string OfStatistics(
        BackwardNode node,
        long[] column,
        string slope,
        string q,
        string shift,
        string mean
    )
    {
        GraphEmitter graph = node.Graph;
        long n = node.InputShape(0).Aggregate(1L, (a, b) => a * b) / column[0];
        string share = graph.Mul(slope, 1f / n),
            factor = graph.Mul(share, q);
        string constant = graph.Sub(graph.Mul(share, shift), graph.Mul(factor, mean));
        return graph.Add(graph.Mul(node.Input(0), graph.Reshape(factor, column)), graph.Reshape(constant, column));
    }
}
