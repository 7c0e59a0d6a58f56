using MlNetTransfer.Onnx.Differentiation.Convolution;

namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Transposed convolution: the convolution of which it is the gradient carries dy to dx; the gradient of the kernel is
/// that convolution's, with dy as its input and x as the gradient of its output; db is dy summed over images and
/// positions.
/// </summary>
internal sealed class ConvTransposeGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["ConvTranspose"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        ConvGeometry geometry = Geometry(node);
        string dy = node.OutputGradient();
        return
        [
            node.Needs(0) ? Convolve(node, geometry, dy) : null,
            node.Needs(1) ? WeightGradient.Emit(node.Graph, geometry, dy, node.Input(0)) : null,
            node.Needs(2) ? node.Graph.ReduceSum(dy, [0, .. geometry.Per(i => i + 2L)]) : null,
        ];
    }

    private static string Convolve(BackwardNode node, ConvGeometry g, string dy) =>
        node.Graph.Node(
            "Conv",
            [dy, node.Input(1)],
            Attributes.Of("pads", g.Pads),
            Attributes.Of("strides", g.Strides),
            Attributes.Of("dilations", g.Dilations),
            Attributes.Of("group", g.Groups),
            Attributes.Of("kernel_shape", g.Kernel)
        );

    /// <summary>The convolution from y [N, M, ...] to x [N, C, ...] with the kernel [C, M / groups, ...].</summary>
    private static ConvGeometry Geometry(BackwardNode node)
    {
        long[] x = node.InputShape(0),
            w = node.InputShape(1),
            y = node.OutputShape();
        int axes = x.Length - 2;
        long[] ones = [.. Enumerable.Repeat(1L, axes)];
        ConvGeometry open = new(
            x[0],
            y[1],
            x[1],
            node.Int("group", 1),
            y[2..],
            x[2..],
            w[2..],
            node.Ints("strides") ?? ones,
            node.Ints("dilations") ?? ones,
            [],
            []
        );
        (long[] begin, long[] end) = Pads(node, open);
        return open with { Begin = begin, End = end };
    }

    /// <summary>
    /// ONNX: where the shape of the output is asked for, or by auto_pad equals the input times the stride, the pads are
    /// what is too much; the odd one is at the end, but for SAME_LOWER at the begin.
    /// </summary>
    private static (long[] Begin, long[] End) Pads(BackwardNode node, ConvGeometry g)
    {
        string automatic = node.Text("auto_pad", "NOTSET");
        if (automatic == "VALID")
            return (new long[g.Axes], new long[g.Axes]);
        if (automatic == "NOTSET" && node.Ints("output_shape") is null)
            return node.Ints("pads") is { } pads
                ? (pads[..g.Axes], pads[g.Axes..])
                : (new long[g.Axes], new long[g.Axes]);
        long[] extra = node.Ints("output_padding") ?? new long[g.Axes];
        long[] total = g.Per(i => Math.Max(0, g.Strides[i] * (g.Output[i] - 1) + extra[i] + g.Extent(i) - g.Input[i]));
        long[] small = [.. total.Select(t => t / 2)],
            large = [.. total.Select(t => t - t / 2)];
        return automatic == "SAME_UPPER" ? (small, large) : (large, small);
    }
}
