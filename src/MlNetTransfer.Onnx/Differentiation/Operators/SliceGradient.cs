namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>Part of a tensor: dx is dy in its place and zero elsewhere; steps may be of any size and sign.</summary>
internal sealed class SliceGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Slice"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        long[] x = node.InputShape(0),
            shape = node.OutputShape();
        if (shape.Contains(0))
            return [null];
        long[] starts = node.ConstantInts(1)!,
            steps = node.ConstantInts(4) ?? [.. starts.Select(_ => 1L)];
        long[] axes = node.ConstantInts(3) ?? [.. Enumerable.Range(0, starts.Length).Select(i => (long)i)];
        long[] pads = new long[2 * x.Length];
        string dx = node.OutputGradient();
        for (int i = 0; i < starts.Length; i++)
        {
            int axis = (int)(axes[i] < 0 ? axes[i] + x.Length : axes[i]);
            long size = x[axis],
                from = Math.Clamp(starts[i] < 0 ? starts[i] + size : starts[i], 0, size - 1);
            if (steps[i] == 1)
            {
                (pads[axis], pads[axis + x.Length]) = (from, size - from - shape[axis]);
                continue;
            }

            long step = steps[i];
            dx = AxisMap.Select(
                node.Graph,
                dx,
                shape,
                axis,
                [.. Enumerable.Range(0, (int)shape[axis]).Select(k => from + k * step)],
                size
            );
            shape[axis] = size;
        }

        return [node.Graph.Pad(dx, pads)];
    }
}
