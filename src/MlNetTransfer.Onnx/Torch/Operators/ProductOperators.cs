using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>
/// Conv. A following Add of one number per channel becomes its bias; padding that differs between sides is a pad of its
/// own.
/// </summary>
internal sealed class ConvOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Conv"];

    public void Convert(TorchNode node)
    {
        if (node.Constant(1) is not { } weight)
            throw node.Unsupported("a computed weight");
        Window window = Window.Of(node, [.. weight.Shape.Skip(2)]);
        if (weight.Transposed)
            throw node.Unsupported("a transposed weight");
        long groups = node.Int("group", 1),
            outputs = weight.Shape[0];
        Constant? bias = node.HasInput(2) ? node.Constant(2) ?? throw node.Unsupported("a computed bias") : null;
        if (bias is null && node.OnlyUser is { OpType: "Add" } add && Bias(node, add, outputs) is { } added)
            (node, bias) = (node.Absorb(add), added);
        TorchArgument x = window.IsSymmetric
            ? node.Value(0)
            : node.Step("constant_pad_nd", node.Value(0), window.Pads, new TorchArgument.Real(0));
        Pair padding = window.IsSymmetric ? window.Begin : Pair.Zero;
        List<LayerTensor> tensors = [new("weight", weight, weight.Shape)];
        if (bias is not null)
            tensors.Add(new("bias", bias, [outputs]));
        node.Layer(
            new Conv2dLayer(
                weight.Shape[1] * groups,
                outputs,
                window.Kernel,
                window.Stride,
                padding,
                window.Dilation,
                groups,
                bias is not null
            ),
            x,
            tensors,
            "conv"
        );
    }

    private static Constant? Bias(TorchNode node, NodeProto add, long outputs)
    {
        int other = add.Input[0] == node.Output() ? 1 : 0;
        return
            node.Peek(add).Constant(other) is { } constant
            && constant.Count == outputs
            && constant.Shape is [1, _, 1, 1] or [_, 1, 1]
            && !constant.Transposed
            ? constant
            : null;
    }
}

/// <summary>ConvTranspose with the same padding on both sides.</summary>
internal sealed class ConvTransposeOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["ConvTranspose"];

    public void Convert(TorchNode node)
    {
        if (node.Constant(1) is not { Transposed: false } weight)
            throw node.Unsupported("a computed weight");
        if (node.Text("auto_pad", "NOTSET") is not ("NOTSET" or "VALID") || node.Ints("output_shape") is not null)
            throw node.Unsupported("padding found from its output");
        Window window = Window.Of(node, [.. weight.Shape.Skip(2)]);
        if (!window.IsSymmetric)
            throw node.Unsupported("padding that differs between sides");
        Constant? bias = node.HasInput(2) ? node.Constant(2) ?? throw node.Unsupported("a computed bias") : null;
        long groups = node.Int("group", 1),
            outputs = weight.Shape[1] * groups;
        List<LayerTensor> tensors = [new("weight", weight, weight.Shape)];
        if (bias is not null)
            tensors.Add(new("bias", bias, [outputs]));
        node.Layer(
            new ConvTranspose2dLayer(
                weight.Shape[0],
                outputs,
                window.Kernel,
                window.Stride,
                window.Begin,
                Pair.Of(node.Ints("output_padding") ?? [0, 0]),
                window.Dilation,
                groups,
                bias is not null
            ),
            node.Value(0),
            tensors,
            "deconv"
        );
    }
}

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

/// <summary>Gemm with a constant matrix: a linear layer.</summary>
internal sealed class GemmOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Gemm"];

    public void Convert(TorchNode node)
    {
        if (node.Float("alpha", 1) != 1 || (node.HasInput(2) && node.Float("beta", 1) != 1))
            throw node.Unsupported("a factor alpha or beta");
        if (node.Int("transA", 0) != 0)
            throw node.Unsupported("a transposed first matrix");
        bool transposed = node.Int("transB", 0) != 0;
        if (node.Constant(1) is not { Shape.Count: 2 } weight)
        {
            TorchArgument right = transposed
                ? node.Step("permute", node.Value(1), new TorchArgument.Integers([1, 0]))
                : node.Value(1);
            if (!node.HasInput(2))
                node.Call("matmul", node.Value(0), right);
            else
                node.Call("add", node.Step("matmul", node.Value(0), right), node.Value(2));
            return;
        }

        long outputs = weight.Shape[transposed ? 0 : 1],
            inputs = weight.Shape[transposed ? 1 : 0];
        Constant? bias = node.HasInput(2) ? node.Constant(2) : null;
        bool wide = bias is { Transposed: false } && bias.Count == outputs && bias.Shape is [_] or [1, _];
        List<LayerTensor> tensors = [new("weight", weight, [outputs, inputs], Transpose: !transposed)];
        if (wide)
            tensors.Add(new("bias", bias, [outputs]));
        LinearLayer layer = new(inputs, outputs, wide);
        if (wide || !node.HasInput(2))
        {
            node.Layer(layer, node.Value(0), tensors, "fc");
            return;
        }

        throw node.Unsupported("a third matrix that is no bias");
    }
}

/// <summary>
/// MatMul: a linear layer where the right side is a constant matrix, with the bias that is added next; a product else.
/// </summary>
internal sealed class MatMulOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["MatMul"];

    public void Convert(TorchNode node)
    {
        if (node.Constant(1) is not { Shape.Count: 2 } weight || node.Rank < 2)
        {
            node.Call("matmul", node.Value(0), node.Value(1));
            return;
        }

        (long inputs, long outputs) = (weight.Shape[0], weight.Shape[1]);
        List<LayerTensor> tensors = [new("weight", weight, [outputs, inputs], Transpose: true)];
        if (
            node.OnlyUser is { OpType: "Add" } add
            && node.Peek(add).Constant(add.Input[0] == node.Output() ? 1 : 0) is { Transposed: false } bias
            && bias.Count == outputs
            && bias.Shape[^1] == outputs
            && bias.Shape.Count <= node.Rank
        )
        {
            node = node.Absorb(add);
            tensors.Add(new("bias", bias, [outputs]));
        }

        node.Layer(new LinearLayer(inputs, outputs, tensors.Count == 2), node.Value(0), tensors, "fc");
    }
}
