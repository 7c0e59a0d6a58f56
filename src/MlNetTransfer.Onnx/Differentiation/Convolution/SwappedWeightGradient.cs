namespace MlNetTransfer.Onnx.Differentiation.Convolution;

/// <summary>
/// A convolution again, with the images as its channels, dY as its kernel, and strides and dilations swapped. Right for
/// every form of convolution, on any number of axes; with groups, those of the channels become groups of (group, image)
/// channels.
/// </summary>
internal static class SwappedWeightGradient
{
    public static string Emit(GraphEmitter graph, ConvGeometry g, string x, string dy)
    {
        long[] spatial = [.. Enumerable.Range(0, g.Axes).Select(i => i + 2L)];
        long c = g.Channels / g.Groups;
        string images =
            g.Groups == 1
                ? graph.Transpose(x, [1, 0, .. spatial])
                : graph.Reshape(
                    graph.Transpose(
                        graph.Reshape(x, [g.Batch, g.Groups, c, .. g.Input]),
                        [2, 1, 0, .. spatial.Select(s => s + 1)]
                    ),
                    [c, g.Groups * g.Batch, .. g.Input]
                );
        long[] end = g.Per(i => Math.Max(0, g.End[i] - g.Remainder[i]));
        string all = graph.Node(
            "Conv",
            [images, graph.Transpose(dy, [1, 0, .. spatial])],
            Attributes.Of("pads", [.. g.Begin, .. end]),
            Attributes.Of("strides", g.Dilations),
            Attributes.Of("dilations", g.Strides),
            Attributes.Of("group", g.Groups)
        );
        bool exact = Enumerable.Range(0, g.Axes).All(i => g.Remainder[i] - g.End[i] < g.Dilations[i]);
        string taps = exact ? all : graph.Slice(all, spatial, new long[g.Axes], g.Kernel);
        return graph.Transpose(taps, [1, 0, .. spatial]);
    }
}
