using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>
/// AveragePool. Where padding differs between sides and does not count, sums are divided by the numbers of pixels
/// inside.
/// </summary>
internal sealed class AveragePoolOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["AveragePool"];

    public void Convert(TorchNode node)
    {
        Window window = Window.Of(node, node.Ints("kernel_shape")!);
        if (window.Dilation != Pair.One)
            throw node.Unsupported("dilation");
        bool counts = node.Int("count_include_pad", 0) != 0;
        PoolShapes.Check(node, window);
        if (window.IsSymmetric)
        {
            node.Call("avg_pool2d", Arguments(node.Value(0), window, window.Begin, counts));
            return;
        }

        if (window.Ceil)
            throw node.Unsupported("ceil_mode with padding that differs between sides");
        TorchArgument padded = node.Step("constant_pad_nd", node.Value(0), window.Pads, new TorchArgument.Real(0));
        if (counts)
        {
            node.Call("avg_pool2d", Arguments(padded, window, Pair.Zero, counts));
            return;
        }

        TorchArgument ones = node.Step(
            "constant_pad_nd",
            node.Step("ones_like", node.Value(0)),
            window.Pads,
            new TorchArgument.Real(0)
        );
        TorchArgument share = node.Step("avg_pool2d", Arguments(ones, window, Pair.Zero, counts));
        node.Call("div", node.Step("avg_pool2d", Arguments(padded, window, Pair.Zero, counts)), share);
    }

    private static TorchArgument[] Arguments(TorchArgument x, Window window, Pair padding, bool counts) =>
        [
            x,
            PoolShapes.List(window.Kernel),
            PoolShapes.List(window.Stride),
            PoolShapes.List(padding),
            new TorchArgument.Flag(window.Ceil),
            new TorchArgument.Flag(counts),
        ];
}

/// <summary>
/// MaxPool; padding that differs between sides, or is more than half the kernel, is a pad with minus infinity.
/// </summary>
internal sealed class MaxPoolOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["MaxPool"];

    public void Convert(TorchNode node)
    {
        if (node.OutputCount > 1 && node.Output(1).Length > 0)
            throw node.Unsupported("an output of indices");
        Window window = Window.Of(node, node.Ints("kernel_shape")!);
        PoolShapes.Check(node, window);
        bool plain =
            window.IsSymmetric
            && window.Begin.Height <= window.Kernel.Height / 2
            && window.Begin.Width <= window.Kernel.Width / 2;
        if (!plain && window.Ceil)
            throw node.Unsupported("ceil_mode with padding that torch's pool does not take");
        TorchArgument x = plain
            ? node.Value(0)
            : node.Step("constant_pad_nd", node.Value(0), window.Pads, new TorchArgument.Real(double.NegativeInfinity));
        Pair padding = plain ? window.Begin : Pair.Zero;
        node.Call(
            "max_pool2d",
            x,
            PoolShapes.List(window.Kernel),
            PoolShapes.List(window.Stride),
            PoolShapes.List(padding),
            PoolShapes.List(window.Dilation),
            new TorchArgument.Flag(window.Ceil)
        );
    }
}

/// <summary>Pools over all positions.</summary>
internal sealed class GlobalPoolOperators : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["GlobalAveragePool", "GlobalMaxPool"];

    public void Convert(TorchNode node)
    {
        TorchArgument.Integers positions = new([.. Enumerable.Range(2, node.Rank - 2).Select(i => (long)i)]);
        if (node.Operator == "GlobalMaxPool")
            node.Call("amax", node.Value(0), positions, new TorchArgument.Flag(true));
        else if (node.Rank == 4)
            node.Call("adaptive_avg_pool2d", node.Value(0), new TorchArgument.Integers([1, 1]));
        else
            node.Call("mean", node.Value(0), positions, new TorchArgument.Flag(true));
    }
}

/// <summary>What pools share.</summary>
internal static class PoolShapes
{
    public static TorchArgument List(Pair pair) => new TorchArgument.Integers([pair.Height, pair.Width]);

    /// <summary>
    /// With ceil_mode torch drops a last window that would begin in the padding; ONNX Runtime may keep it.
    /// </summary>
    public static void Check(TorchNode node, Window window)
    {
        if (!window.Ceil)
            return;
        for (int axis = 0; axis < 2; axis++)
        {
            (long kernel, long stride, long dilation, long begin, long end) =
                axis == 0
                    ? (
                        window.Kernel.Height,
                        window.Stride.Height,
                        window.Dilation.Height,
                        window.Begin.Height,
                        window.End.Height
                    )
                    : (
                        window.Kernel.Width,
                        window.Stride.Width,
                        window.Dilation.Width,
                        window.Begin.Width,
                        window.End.Width
                    );
            long size =
                node.Shape()[2 + axis] ?? throw node.Unsupported("ceil_mode on an image whose size is not known");
            long positions = (size + begin + end - (kernel - 1) * dilation - 1 + stride - 1) / stride + 1;
            if ((positions - 1) * stride >= size + begin)
                positions--;
            if (node.OutputShape()[2 + axis] != positions)
                throw node.Unsupported(
                    FormattableString.Invariant(
                        $"{node.OutputShape()[2 + axis]} windows by ceil_mode where torch has {positions}; such a pool"
                    )
                );
        }
    }
}

/// <summary>Reductions over known axes.</summary>
internal sealed class ReduceOperators : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } =
    ["ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare"];

    public void Convert(TorchNode node)
    {
        if (node.Operator == "ReduceMean" && Patterns.LayerNorm(node))
            return;
        long[] given = node.Ints("axes") ?? node.Integers(1) ?? [];
        if (given.Length == 0 && node.Int("noop_with_empty_axes", 0) != 0)
        {
            node.Same();
            return;
        }

        long[] axes =
            given.Length == 0
                ? [.. Enumerable.Range(0, node.Rank).Select(i => (long)i)]
                : [.. given.Select(a => (long)TorchNode.FromFront(a, node.Rank))];
        TorchArgument x = node.Value(0),
            over = new TorchArgument.Integers(axes),
            keep = new TorchArgument.Flag(node.Int("keepdims", 1) != 0);
        switch (node.Operator)
        {
            case "ReduceMean":
                node.Call("mean", x, over, keep);
                break;
            case "ReduceSum":
                node.Call("sum", x, over, keep);
                break;
            case "ReduceMax":
                node.Call("amax", x, over, keep);
                break;
            case "ReduceMin":
                node.Call("amin", x, over, keep);
                break;
            case "ReduceSumSquare":
                node.Call("sum", node.Step("mul", x, x), over, keep);
                break;
            default:
                node.Call("sqrt", node.Step("sum", node.Step("mul", x, x), over, keep));
                break;
        }
    }
}
