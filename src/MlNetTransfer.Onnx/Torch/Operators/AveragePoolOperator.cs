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
