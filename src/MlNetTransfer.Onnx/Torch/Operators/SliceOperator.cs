using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Slice with known bounds and steps forward.</summary>
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
        if (steps.Any(s => s < 1))
            throw node.Unsupported("steps backward");
        TorchArgument x = node.Value(0);
        for (int i = 0; i < starts.Length; i++)
        {
            int axis = TorchNode.FromFront(axes[i], node.Rank);
            if (starts[i] == 0 && ends[i] >= (node.Shape()[axis] ?? int.MaxValue) && steps[i] == 1)
                continue;
            if (node.Shape()[axis] is not { } size)
                throw node.Unsupported("a part of the batch");
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

    private static long Bound(long value, long size) => Math.Clamp(value < 0 ? value + size : value, 0, size);
}
