namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>
/// Values made of mean 0 and variance 1 over axes, x̂ = (x - mean) / √(variance + ε): what layer, instance and group
/// normalisation share.
/// </summary>
/// <param name="Values">x̂.</param>
/// <param name="Inverse">1 / √(variance + ε), of size 1 on the axes.</param>
/// <param name="Axes">The axes.</param>
/// <param name="Count">Elements over the axes.</param>
internal sealed record Standardisation(string Values, string Inverse, long[] Axes, long Count)
{
    /// <summary>Standardises anew: the forward operators keep neither mean nor variance.</summary>
    public static Standardisation Of(GraphEmitter graph, string x, long[] shape, long[] axes, float epsilon)
    {
        long count = axes.Aggregate(1L, (a, axis) => a * shape[axis]);
        string centred = graph.Sub(x, graph.Mul(graph.ReduceSum(x, axes, keep: true), 1f / count));
        string variance = graph.Mul(graph.ReduceSum(graph.Mul(centred, centred), axes, keep: true), 1f / count);
        string inverse = graph.Node("Reciprocal", [graph.Node("Sqrt", [graph.Add(variance, graph.Scalar(epsilon))])]);
        return new Standardisation(graph.Mul(centred, inverse), inverse, axes, count);
    }

    /// <summary>
    /// Gradient of x from that of x̂: dx = (g - mean(g) - x̂·mean(g·x̂)) / √(variance + ε) (Ba et al., Layer
    /// Normalization, 2016).
    /// </summary>
    public string Backward(GraphEmitter graph, string g)
    {
        string shift = graph.Mul(graph.ReduceSum(g, Axes, keep: true), 1f / Count);
        string slope = graph.Mul(graph.ReduceSum(graph.Mul(g, Values), Axes, keep: true), 1f / Count);
        return graph.Mul(graph.Sub(graph.Sub(g, shift), graph.Mul(Values, slope)), Inverse);
    }
}
