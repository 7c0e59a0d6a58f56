using MlNetTransfer.Onnx.Differentiation.Resampling;

namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>Tensors put together along an axis: the gradient of each is its part of dy.</summary>
internal sealed class ConcatGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Concat"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string dy = node.OutputGradient();
        long axis = node.Int("axis", 0);
        int at = (int)(axis < 0 ? axis + node.OutputShape().Length : axis);
        var gradients = new Gradient?[node.InputCount];
        long start = 0;
        for (int i = 0; i < gradients.Length; i++)
        {
            long end = start + node.InputShape(i)[at];
            if (node.Needs(i))
                gradients[i] = node.Graph.Slice(dy, [at], [start], [end]);
            start = end;
        }

        return gradients;
    }
}

/// <summary>
/// A tensor cut along an axis: dx is the gradients of its parts put together, with zeros for parts that reach nothing.
/// </summary>
internal sealed class SplitGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Split"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        int axis = node.Axis(0);
        int[] present = [.. Enumerable.Range(0, node.OutputCount).Where(node.HasGradient)];
        string[] gradients = [.. present.Select(i => node.OutputGradient(i))];
        if (present.Length == node.OutputCount)
            return [node.Graph.Concat(gradients, axis)];
        long whole = node.InputShape(0)[axis];
        long[] ends = new long[node.OutputCount];
        for (int i = 0; i < ends.Length; i++)
            ends[i] = (i == 0 ? 0 : ends[i - 1]) + node.OutputShape(i)[axis];
        int rank = node.InputShape(0).Length;
        string[] padded =
        [
            .. present.Zip(
                gradients,
                (part, dy) => node.Graph.PadAxis(dy, rank, axis, part == 0 ? 0 : ends[part - 1], whole - ends[part])
            ),
        ];
        return [padded.Length == 1 ? padded[0] : node.Graph.Node("Sum", padded)];
    }
}

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

/// <summary>Operators that give the same values another shape: dx = dy in the shape of x.</summary>
internal sealed class ReshapeGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Flatten", "Reshape", "Squeeze", "Unsqueeze"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node) =>
        [node.Graph.Reshape(node.OutputGradient(), node.InputShape(0))];
}

/// <summary>Axes in another order: dx = dy with its axes put back.</summary>
internal sealed class TransposeGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Transpose"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        int rank = node.InputShape(0).Length;
        long[] order = node.Ints("perm") ?? [.. Enumerable.Range(0, rank).Select(i => (long)(rank - 1 - i))];
        long[] back = [.. Enumerable.Range(0, rank).Select(i => (long)Array.IndexOf(order, i))];
        Gradient dy = node.CompactGradient();
        return [dy with { Tensor = node.Graph.Transpose(dy.Tensor, back) }];
    }
}

/// <summary>x broadcast to a shape: dx = Σ dy over what was repeated.</summary>
internal sealed class ExpandGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Expand"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node) => [node.Unbroadcast(node.CompactGradient(), 0)];
}

/// <summary>x repeated along its axes: dx = Σ dy over the copies.</summary>
internal sealed class TileGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Tile"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        long[] x = node.InputShape(0),
            y = node.OutputShape();
        long[] copies = [.. x.Zip(y, (size, tiled) => new[] { tiled / size, size }).SelectMany(p => p)];
        string split = node.Graph.Reshape(node.OutputGradient(), copies);
        return [node.Graph.ReduceSum(split, [.. Enumerable.Range(0, x.Length).Select(i => 2L * i)])];
    }
}

/// <summary>Blocks of pixels moved into channels or back: dx = dy moved the other way.</summary>
internal sealed class DepthSpaceGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["DepthToSpace", "SpaceToDepth"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        long block = node.Int("blocksize", 1);
        if (node.Operator == "SpaceToDepth")
            return
            [
                node.Graph.Node(
                    "DepthToSpace",
                    [node.OutputGradient()],
                    Attributes.Of("blocksize", block),
                    Attributes.Of("mode", "DCR")
                ),
            ];
        if (node.Text("mode", "DCR") == "DCR")
            return [node.Graph.Node("SpaceToDepth", [node.OutputGradient()], Attributes.Of("blocksize", block))];
        long[] x = node.InputShape(0);
        string blocks = node.Graph.Reshape(
            node.OutputGradient(),
            x[0],
            x[1] / (block * block),
            x[2],
            block,
            x[3],
            block
        );
        return [node.Graph.Reshape(node.Graph.Transpose(blocks, 0, 1, 3, 5, 2, 4), x)];
    }
}

/// <summary>
/// Resizing by nearest, linear or cubic interpolation, which is linear in x along each axis: y = M·x, so dx = Mᵀ·dy,
/// axis by axis.
/// </summary>
internal sealed class ResizeGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Resize"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        long[] x = node.InputShape(0),
            shape = node.OutputShape();
        ResizeAxis[] axes = ResizeAxes.Of(node);
        if (Array.TrueForAll(axes, a => a.Repeats))
            return [Repeated(node, x, shape)];
        string dx = node.OutputGradient();
        for (int axis = 0; axis < axes.Length; axis++)
        {
            if (axes[axis].IsIdentity)
                continue;
            dx = AxisMap.Apply(node.Graph, dx, shape, axis, axes[axis].Matrix(), x[axis]);
            shape[axis] = x[axis];
        }

        return [dx];
    }

    /// <summary>Every element repeated a whole number of times on each axis: the sum over the copies.</summary>
    private static string Repeated(BackwardNode node, long[] x, long[] y)
    {
        int[] larger = [.. Enumerable.Range(0, x.Length).Where(i => y[i] != x[i])];
        if (larger.Length == 0)
            return node.OutputGradient();
        List<long> split = [],
            copies = [];
        for (int i = 0; i < x.Length; i++)
        {
            split.Add(x[i]);
            if (y[i] == x[i])
                continue;
            copies.Add(split.Count);
            split.Add(y[i] / x[i]);
        }

        return node.Graph.ReduceSum(node.Graph.Reshape(node.OutputGradient(), [.. split]), [.. copies]);
    }
}
