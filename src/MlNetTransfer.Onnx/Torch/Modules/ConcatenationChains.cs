namespace MlNetTransfer.Onnx.Torch.Modules;

/// <summary>
/// Concatenations that begin as an earlier one does go on from it: a dense block reads <c>x = cat([x, new])</c>, not as
/// lists that grow with every layer.
/// </summary>
internal static class ConcatenationChains
{
    public static List<TorchStep> Shorten(IReadOnlyList<TorchStep> steps)
    {
        List<(IReadOnlyList<string> Parts, TorchArgument Axis, string Result)> before = [];
        return
        [
            .. steps.Select(step =>
            {
                if (
                    step
                    is not { Function: "cat", Arguments: [TorchArgument.Values all, var axis], Results: [var result] }
                )
                    return step;
                IReadOnlyList<string> parts = all.Names;
                (IReadOnlyList<string> Parts, TorchArgument Axis, string Result) start = before
                    .Where(b =>
                        b.Parts.Count < parts.Count
                        && b.Axis == axis
                        && parts.Take(b.Parts.Count).SequenceEqual(b.Parts)
                    )
                    .DefaultIfEmpty()
                    .MaxBy(b => b.Parts?.Count ?? 0);
                before.Add((parts, axis, result));
                return start.Parts is null
                    ? step
                    : step with
                    {
                        Arguments = [new TorchArgument.Values([start.Result, .. parts.Skip(start.Parts.Count)]), axis],
                    };
            }),
        ];
    }
}
