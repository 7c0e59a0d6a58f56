namespace MlNetTransfer.Onnx.Differentiation.Convolution;

/// <summary>Pads of convolutions and pools, as attributes state them.</summary>
internal static class Padding
{
    /// <param name="node">The node with its attributes auto_pad and pads.</param>
    /// <param name="input">Spatial sizes of the input.</param>
    /// <param name="output">Spatial sizes of the output.</param>
    /// <param name="extents">Elements a window covers on each axis.</param>
    /// <param name="strides">Steps between windows.</param>
    /// <returns>Zeros before and after each axis.</returns>
    public static (long[] Begin, long[] End) Of(
        BackwardNode node,
        long[] input,
        long[] output,
        long[] extents,
        long[] strides
    )
    {
        int axes = input.Length;
        switch (node.Text("auto_pad", "NOTSET"))
        {
            case "NOTSET":
                long[] pads = node.Ints("pads") ?? new long[2 * axes];
                return (pads[..axes], pads[axes..]);
            case "VALID":
                return (new long[axes], new long[axes]);
            case "SAME_UPPER":
                return Same(input, output, extents, strides, upper: true);
            case "SAME_LOWER":
                return Same(input, output, extents, strides, upper: false);
            case var other:
                throw node.Unsupported($"auto_pad '{other}'");
        }
    }

    /// <summary>
    /// ONNX: the total is (outputs - 1)·stride + extent - inputs; an odd one has the extra zero at the end (SAME_UPPER)
    /// or at the begin (SAME_LOWER).
    /// </summary>
    private static (long[] Begin, long[] End) Same(
        long[] input,
        long[] output,
        long[] extents,
        long[] strides,
        bool upper
    )
    {
        long[] total =
        [
            .. Enumerable
                .Range(0, input.Length)
                .Select(i => Math.Max(0, (output[i] - 1) * strides[i] + extents[i] - input[i])),
        ];
        long[] small = [.. total.Select(t => t / 2)],
            large = [.. total.Select(t => t - t / 2)];
        return upper ? (small, large) : (large, small);
    }
}
