using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

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
