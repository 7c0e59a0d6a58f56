using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>The window of a convolution or a pool over images: its padding made explicit.</summary>
internal sealed class Window
{
    private Window(Pair kernel, Pair stride, Pair dilation, Pair begin, Pair end, bool ceil) =>
        (Kernel, Stride, Dilation, Begin, End, Ceil) = (kernel, stride, dilation, begin, end, ceil);

    public Pair Kernel { get; }

    public Pair Stride { get; }

    public Pair Dilation { get; }

    /// <summary>Padding above and left.</summary>
    public Pair Begin { get; }

    /// <summary>Padding below and right.</summary>
    public Pair End { get; }

    public bool Ceil { get; }

    /// <summary>
    /// Whether torch's own padding, the same on both sides and for pools at most half the kernel, says it.
    /// </summary>
    public bool IsSymmetric => Begin == End;

    public bool IsEmpty => Begin == Pair.Zero && End == Pair.Zero;

    /// <summary>Padding as torch's pad takes it: the last axis first.</summary>
    public TorchArgument Pads => new TorchArgument.Integers([Begin.Width, End.Width, Begin.Height, End.Height]);

    public static Window Of(TorchNode node, IReadOnlyList<long> kernel)
    {
        if (node.Rank != 4 || kernel.Count != 2)
            throw node.Unsupported(
                FormattableString.Invariant(
                    $"an input of rank {node.Rank}: only images [N, channels, height, width] are supported; such a form"
                )
            );
        Pair size = Pair.Of(kernel),
            stride = Pair.Of(node.Ints("strides") ?? [1, 1]),
            dilation = Pair.Of(node.Ints("dilations") ?? [1, 1]);
        bool ceil = node.Int("ceil_mode", 0) != 0;
        switch (node.Text("auto_pad", "NOTSET"))
        {
            case "NOTSET":
                long[] pads = node.Ints("pads") ?? [0, 0, 0, 0];
                return new Window(size, stride, dilation, new(pads[0], pads[1]), new(pads[2], pads[3]), ceil);
            case "VALID":
                return new Window(size, stride, dilation, Pair.Zero, Pair.Zero, ceil);
            case var same:
                Pair total = new(
                    Total(node, 0, size.Height, stride.Height, dilation.Height),
                    Total(node, 1, size.Width, stride.Width, dilation.Width)
                );
                Pair less = new(total.Height / 2, total.Width / 2),
                    more = new(total.Height - less.Height, total.Width - less.Width);
                return same == "SAME_UPPER"
                    ? new Window(size, stride, dilation, less, more, ceil)
                    : new Window(size, stride, dilation, more, less, ceil);
        }
    }

    /// <summary>Padding that keeps ceil(size / stride) positions.</summary>
    private static long Total(TorchNode node, int axis, long kernel, long stride, long dilation)
    {
        long size =
            node.Shape()[2 + axis] ?? throw node.Unsupported("padding by the size of the image, which is not known");
        return Math.Max(0, ((size + stride - 1) / stride - 1) * stride + (kernel - 1) * dilation + 1 - size);
    }
}
