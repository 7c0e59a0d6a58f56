using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

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
