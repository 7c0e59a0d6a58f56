using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>A sliding window along one axis: kernel, stride, dilation and zero padding, in elements.</summary>
internal readonly record struct Window(long Kernel, long Stride, long Dilation, long PadBefore, long PadAfter)
{
    /// <summary>
    /// TensorFlow's rules: VALID pads nothing; SAME makes ceil(input / stride) outputs and puts the odd element of
    /// padding after (SAME_UPPER in ONNX), so it is asymmetric at stride 2.
    /// </summary>
    /// <param name="same">SAME, else VALID.</param>
    /// <param name="input">Size of the input along the axis.</param>
    /// <param name="kernel">Size of the kernel, not dilated.</param>
    /// <param name="stride">Stride.</param>
    /// <param name="dilation">Dilation.</param>
    public static Window Of(bool same, long input, long kernel, long stride, long dilation = 1)
    {
        if (kernel < 1 || stride < 1 || dilation < 1)
            throw new TfjsException(
                $"A window has kernel {kernel}, stride {stride} and dilation {dilation}; each must be at least 1."
            );
        long outputs = (input + stride - 1) / stride;
        long pad = same ? Math.Max(0, (outputs - 1) * stride + (kernel - 1) * dilation + 1 - input) : 0;
        return new Window(kernel, stride, dilation, pad / 2, pad - pad / 2);
    }

    public long OutputSize(long input) => (input + PadBefore + PadAfter - (Kernel - 1) * Dilation - 1) / Stride + 1;

    public static List<AttributeProto> Attributes(Window h, Window w, bool dilations) =>
        [
            MlNetTransfer.Onnx.Attributes.Of("kernel_shape", [h.Kernel, w.Kernel]),
            MlNetTransfer.Onnx.Attributes.Of("strides", [h.Stride, w.Stride]),
            MlNetTransfer.Onnx.Attributes.Of("pads", [h.PadBefore, w.PadBefore, h.PadAfter, w.PadAfter]),
            .. dilations
                ? [MlNetTransfer.Onnx.Attributes.Of("dilations", [h.Dilation, w.Dilation])]
                : Array.Empty<AttributeProto>(),
        ];
}
