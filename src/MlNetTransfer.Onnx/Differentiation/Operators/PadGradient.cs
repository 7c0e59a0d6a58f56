namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Elements added around a tensor. Constant ones have no gradient; copies (modes reflect, edge, wrap) add theirs to the
/// element they were copied from.
/// </summary>
internal sealed class PadGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Pad"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        if (node.Needs(2))
            throw node.Unsupported("a value that is trained");
        string mode = node.Text("mode", "constant");
        long[] x = node.InputShape(0),
            shape = node.OutputShape(),
            pads = Pads(node, x.Length);
        if (mode == "constant")
            return [node.Graph.Pad(node.OutputGradient(), [.. pads.Select(p => -p)])];
        string dx = node.OutputGradient();
        for (int axis = 0; axis < x.Length; axis++)
        {
            (long before, long size) = (pads[axis], x[axis]);
            if (before == 0 && shape[axis] == size)
                continue;
            long[] sources =
            [
                .. Enumerable.Range(0, (int)shape[axis]).Select(j => Source(node, mode, j - before, size)),
            ];
            dx = AxisMap.Select(node.Graph, dx, shape, axis, sources, size);
            shape[axis] = size;
        }

        return [dx];
    }

    private static long[] Pads(BackwardNode node, int rank)
    {
        long[] given = node.ConstantInts(1)!;
        if (node.ConstantInts(3) is not { } axes)
            return given;
        long[] pads = new long[2 * rank];
        for (int i = 0; i < axes.Length; i++)
        {
            long axis = axes[i] < 0 ? axes[i] + rank : axes[i];
            (pads[axis], pads[axis + rank]) = (given[i], given[i + axes.Length]);
        }

        return pads;
    }

    private static long Source(BackwardNode node, string mode, long at, long size) =>
        mode switch
        {
            "edge" => Math.Clamp(at, 0, size - 1),
            "reflect" => Reflected(Modulo(at, Math.Max(1, 2 * size - 2)), size),
            "wrap" => Modulo(at, size),
            _ => throw node.Unsupported($"mode '{mode}'"),
        };

    private static long Reflected(long at, long size) => at < size ? at : 2 * size - 2 - at;

    private static long Modulo(long at, long period) => (at % period + period) % period;
}
