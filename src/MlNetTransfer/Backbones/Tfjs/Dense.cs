using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>Matrix products and batch normalisation: what has weights besides convolutions.</summary>
internal static class Dense
{
    /// <summary>x · W + b over the last axis.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">Values [N, ..., inputs].</param>
    /// <param name="weights">[inputs, outputs].</param>
    /// <param name="bias">[outputs], or null.</param>
    /// <param name="name">Name of the output.</param>
    public static TfValue MatMul(TfGraphWriter graph, TfValue x, TfTensor weights, TfTensor? bias, string name)
    {
        if (weights.Shape.Count != 2 || weights.Shape[0] != x.Shape[^1])
            throw new TfjsException(
                $"'{name}': the weights '{weights.Name}' have shape [{string.Join(", ", weights.Shape)}]; expected "
                    + $"[{x.Shape[^1]}, outputs]."
            );
        TfValue source = graph.InOrder(x);
        TfValue output = new(name, [.. x.Shape.SkipLast(1), weights.Shape[1]], ChannelsFirst: false);
        string[] inputs = [source.Name, graph.Constant(weights)];
        if (x.Rank == 2)
            return graph.Node("Gemm", output, bias is null ? inputs : [.. inputs, graph.Constant(bias)]);
        if (bias is null)
            return graph.Node("MatMul", output, inputs);
        TfValue product = graph.Node("MatMul", output with { Name = graph.Unique(name + "/matmul") }, inputs);
        return graph.Node("Add", output, [product.Name, graph.Constant(bias)]);
    }

    /// <summary>
    /// γ (x - mean) / √(variance + ε) + β over the last axis (Ioffe and Szegedy 2015). Missing γ is 1, missing β is 0.
    /// Quantised variances may be exactly 0, so ε is taken as the model states it.
    /// </summary>
    public static TfValue BatchNorm(
        TfGraphWriter graph,
        TfValue x,
        TfTensor? gamma,
        TfTensor? beta,
        TfTensor mean,
        TfTensor variance,
        double epsilon,
        string name
    )
    {
        TfValue source = x.Rank == 4 ? graph.Images(x) : x;
        if (x.Rank is not (2 or 4))
            throw new TfjsException(
                $"'{name}': batch normalisation of {x.Rank} dimensions is not known; expected images or feature "
                    + $"vectors."
            );
        string[] inputs =
        [
            source.Name,
            graph.Constant(gamma ?? Filled(name + "/gamma", 1, mean)),
            graph.Constant(beta ?? Filled(name + "/beta", 0, mean)),
            graph.Constant(mean),
            graph.Constant(variance),
        ];
        return graph.Node(
            "BatchNormalization",
            source with
            {
                Name = name,
            },
            inputs,
            Attributes.Of("epsilon", (float)epsilon)
        );
    }

    private static TfTensor Filled(string name, float value, TfTensor like) =>
        new(name, like.Shape, [.. Enumerable.Repeat(value, like.Values.Length)]);
}
