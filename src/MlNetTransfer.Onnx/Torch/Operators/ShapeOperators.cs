using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Concat.</summary>
internal sealed class ConcatOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Concat"];

    public void Convert(TorchNode node)
    {
        TorchArgument[] parts = [.. Enumerable.Range(0, node.InputCount).Select(node.Value)];
        if (parts.Length == 1)
            node.Same();
        else if (parts.All(p => p is TorchArgument.Value))
            node.Call(
                "cat",
                new TorchArgument.Values([.. parts.Select(p => ((TorchArgument.Value)p).Name)]),
                new TorchArgument.Integer(node.Axis("axis", 0))
            );
        else
            throw node.Unsupported("a constant among what it joins");
    }
}

/// <summary>Split into parts of known sizes.</summary>
internal sealed class SplitOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Split"];

    public void Convert(TorchNode node)
    {
        int axis = node.Axis("axis", 0);
        TorchArgument x = node.Value(0);
        long start = 0;
        for (int i = 0; i < node.OutputCount; i++)
        {
            long size = node.OutputShape(i)[axis] ?? throw node.Unsupported("parts of the batch");
            if (node.Output(i).Length > 0)
                node.Call(
                    "narrow",
                    [node.Output(i)],
                    [
                        x,
                        new TorchArgument.Integer(axis),
                        new TorchArgument.Integer(start),
                        new TorchArgument.Integer(size),
                    ]
                );
            start += size;
        }
    }
}

/// <summary>Slice with known bounds and steps forward, or a whole axis from its end to its beginning.</summary>
internal sealed class SliceOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Slice"];

    public void Convert(TorchNode node)
    {
        long[] starts = node.Ints("starts") ?? node.Integers(1)!,
            ends = node.Ints("ends") ?? node.Integers(2)!;
        long[] axes =
                node.Ints("axes") ?? node.Integers(3) ?? [.. Enumerable.Range(0, starts.Length).Select(i => (long)i)],
            steps = node.Integers(4) ?? [.. starts.Select(_ => 1L)];
        TorchArgument x = node.Value(0);
        for (int i = 0; i < starts.Length; i++)
        {
            int axis = TorchNode.FromFront(axes[i], node.Rank);
            if (starts[i] == 0 && ends[i] >= (node.Shape()[axis] ?? int.MaxValue) && steps[i] == 1)
                continue;
            if (node.Shape()[axis] is not { } size)
                throw node.Unsupported("a part of the batch");
            if (steps[i] < 1)
            {
                if (!IsReversal(starts[i], ends[i], steps[i], size))
                    throw node.Unsupported("steps backward, except over a whole axis");
                x = node.Step("flip", x, new TorchArgument.Integers([axis]));
                continue;
            }

            (long start, long end) = (Bound(starts[i], size), Bound(ends[i], size));
            x =
                steps[i] == 1
                    ? node.Step(
                        "narrow",
                        x,
                        new TorchArgument.Integer(axis),
                        new TorchArgument.Integer(start),
                        new TorchArgument.Integer(Math.Max(0, end - start))
                    )
                    : node.Step(
                        "slice",
                        x,
                        new TorchArgument.Integer(axis),
                        new TorchArgument.Integer(start),
                        new TorchArgument.Integer(end),
                        new TorchArgument.Integer(steps[i])
                    );
        }

        if (x is not TorchArgument.Value)
            throw node.Unsupported("a constant to cut");
        node.Same(x);
    }

    /// <summary>A start past the end, or an end before the beginning, stands for the last or first position.</summary>
    private static bool IsReversal(long start, long end, long step, long size) =>
        step == -1 && (start == -1 || start >= size - 1) && end < -size;

    private static long Bound(long value, long size) => Math.Clamp(value < 0 ? value + size : value, 0, size);
}

/// <summary>Pad with a constant, by reflection or with the edge.</summary>
internal sealed class PadOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Pad"];

    public void Convert(TorchNode node)
    {
        long[] pads = node.Ints("pads") ?? node.Integers(1) ?? throw node.Unsupported("no pads");
        if (node.HasInput(3))
            throw node.Unsupported("chosen axes");
        int rank = node.Rank;
        if (pads.Length != 2 * rank)
            throw node.Unsupported(FormattableString.Invariant($"{pads.Length} pads for rank {rank}"));
        if (pads.All(p => p == 0))
        {
            node.Same();
            return;
        }

        int first = Enumerable.Range(0, rank).First(i => pads[i] != 0 || pads[i + rank] != 0);
        string mode = node.Text("mode", "constant");
        if (mode != "constant" && (rank != 4 || first < 2))
            throw node.Unsupported($"mode '{mode}' on other axes than height and width");
        if (mode != "constant")
            first = 2;
        TorchArgument list = new TorchArgument.Integers([
            .. Enumerable.Range(first, rank - first).Reverse().SelectMany(i => new[] { pads[i], pads[i + rank] }),
        ]);
        switch (mode)
        {
            case "constant":
                node.Call(
                    "constant_pad_nd",
                    node.Value(0),
                    list,
                    new TorchArgument.Real(node.Single(2) ?? node.Float("value", 0))
                );
                break;
            case "reflect":
                node.Call("reflection_pad2d", node.Value(0), list);
                break;
            case "edge":
                node.Call("replication_pad2d", node.Value(0), list);
                break;
            default:
                throw node.Unsupported($"mode '{mode}'");
        }
    }
}

/// <summary>Everything that only changes the shape: to the shape it was seen to have, the batch left open.</summary>
internal sealed class ReshapeOperators : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Flatten", "Reshape", "Squeeze", "Unsqueeze"];

    public void Convert(TorchNode node)
    {
        long?[] from = node.Shape(),
            to = node.OutputShape();
        if (to.Count(d => d is null) > 1)
            throw node.Unsupported("two sizes that follow the batch");
        if (from.SequenceEqual(to))
            node.Same();
        else if (
            from.Length > 2
            && to.Length == 2
            && from[0] == to[0]
            && (from[0] is null || node.Operator == "Flatten")
        )
            node.Call("flatten", node.Value(0), new TorchArgument.Integer(1), new TorchArgument.Integer(-1));
        else
            node.Call("reshape", node.Value(0), new TorchArgument.Integers([.. to.Select(d => d ?? -1)]));
    }
}

/// <summary>Transpose.</summary>
internal sealed class TransposeOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Transpose"];

    public void Convert(TorchNode node) =>
        node.Call(
            "permute",
            node.Value(0),
            new TorchArgument.Integers(
                node.Ints("perm") ?? [.. Enumerable.Range(0, node.Rank).Select(i => (long)i).Reverse()]
            )
        );
}

/// <summary>Expand to a shape known but for the batch.</summary>
internal sealed class ExpandOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Expand"];

    public void Convert(TorchNode node)
    {
        long?[] from = node.Shape(),
            to = node.OutputShape();
        int added = to.Length - from.Length;
        if (Enumerable.Range(0, to.Length).Any(i => to[i] is null && (i < added || from[i - added] is not null)))
            throw node.Unsupported("a size that follows the batch");
        node.Call("expand", node.Value(0), new TorchArgument.Integers([.. to.Select(d => d ?? -1)]));
    }
}

/// <summary>DepthToSpace in torch's order of channels.</summary>
internal sealed class DepthToSpaceOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["DepthToSpace"];

    public void Convert(TorchNode node)
    {
        if (node.Text("mode", "DCR") != "CRD")
            throw node.Unsupported("mode 'DCR'");
        node.Call("pixel_shuffle", node.Value(0), new TorchArgument.Integer(node.Int("blocksize", 1)));
    }
}

/// <summary>Resize and Upsample of images to a known size: nearest by whole factors, or bilinear.</summary>
internal sealed class ResizeOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Resize", "Upsample"];

    public void Convert(TorchNode node)
    {
        long?[] from = node.Shape(),
            to = node.OutputShape();
        if (
            from.Length != 4
            || from[1] != to[1]
            || to[2] is not { } height
            || to[3] is not { } width
            || from[2] is not { } oldHeight
            || from[3] is not { } oldWidth
        )
            throw node.Unsupported("another form than images of known size");
        string mode = node.Text("mode", "nearest"),
            position = node.Operator == "Upsample"
                ? "asymmetric"
                : node.Text("coordinate_transformation_mode", "half_pixel"),
            rounding = node.Text("nearest_mode", node.Operator == "Upsample" ? "floor" : "round_prefer_floor");
        TorchArgument size = new TorchArgument.Integers([height, width]);
        bool whole = height % oldHeight == 0 && width % oldWidth == 0;
        if (
            mode == "nearest"
            && (
                (position == "asymmetric" && rounding == "floor")
                || (
                    whole
                    && position is "half_pixel" or "pytorch_half_pixel"
                    && rounding.StartsWith("round_prefer", StringComparison.Ordinal)
                )
            )
        )
            node.Call("upsample_nearest2d", node.Value(0), size);
        else if (mode == "linear" && position is "half_pixel" or "pytorch_half_pixel" && node.Int("antialias", 0) == 0)
            node.Call("upsample_bilinear2d", node.Value(0), size, new TorchArgument.Flag(false));
        else if (mode == "linear" && position == "align_corners")
            node.Call("upsample_bilinear2d", node.Value(0), size, new TorchArgument.Flag(true));
        else
            throw node.Unsupported($"mode '{mode}' with '{position}' and '{rounding}'");
    }
}
