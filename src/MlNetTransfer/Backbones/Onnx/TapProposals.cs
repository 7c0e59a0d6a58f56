namespace MlNetTransfer.Backbones.Onnx;

/// <summary>
/// Where a network that nobody described can be cut, by the form of its graph alone: no names, no tables of
/// architectures.
/// </summary>
/// <remarks>
/// Only waypoints are proposed: tensors that every path passes through, so that nothing is lost at a cut. Of those:
/// <list type="number">
/// <item>the end of each resolution stage: the last square map before the side shrinks to two thirds or less;</item>
/// <item>the end of each block: a map made by an Add, Sum or Concat of two or more branches, with the activations right
/// after it;</item>
/// <item>for chains, which have no blocks: convolutions with the activations right after them, deepest first, until
/// there are eight;</item>
/// <item>the classifier's input, which is last.</item>
/// </list>
/// Left out: maps larger than a quarter of the input's side where four others are left, and a map whose mean is the
/// classifier's input itself. Above twelve, the earliest block of the stage that has most is dropped, again and again.
/// </remarks>
internal static class TapProposals
{
    private const int Most = 12;
    private const int ChainTaps = 8;
    private const int Fewest = 4;

    public static IReadOnlyList<BackboneTap> Propose(
        GraphPath path,
        IReadOnlyDictionary<string, SampleRun.Result> values,
        int size
    )
    {
        WaypointMaps maps = new(path, values);
        int classifier = maps.ClassifierInput();
        List<TapCandidate> found = [.. Stages(maps, classifier)];
        found.AddRange(Ends(maps, classifier, maps.IsJoin).Where(New(found)));
        if (found.Count < ChainTaps)
            found.AddRange(
                Ends(maps, classifier, maps.IsConvolution).Where(New(found)).Reverse().Take(ChainTaps - found.Count)
            );
        if (classifier >= 0)
            found.RemoveAll(c => c.Index != classifier && maps.IsPlainMean(c.Index, classifier));
        if (classifier >= 0 && found.All(c => c.Index != classifier))
            found.Add(new TapCandidate(classifier, int.MaxValue, Keep: true));
        found.Sort((a, b) => a.Index.CompareTo(b.Index));
        Thin(found, maps, size);
        return [.. Named(found, maps)];
    }

    /// <summary>The last map of every resolution.</summary>
    private static IEnumerable<TapCandidate> Stages(WaypointMaps maps, int classifier)
    {
        int stage = 0,
            last = -1;
        foreach (int index in maps.Squares(classifier))
        {
            if (last >= 0 && 3 * maps.Side(index) <= 2 * maps.Side(last))
                yield return new TapCandidate(last, stage++, Keep: true);
            last = index;
        }

        if (last >= 0)
            yield return new TapCandidate(last, stage, Keep: true);
    }

    private static IEnumerable<TapCandidate> Ends(WaypointMaps maps, int classifier, Func<int, bool> isEnd)
    {
        int[] stageEnds = [.. Stages(maps, classifier).Select(s => s.Index)];
        return maps.Squares(classifier)
            .Where(isEnd)
            .Select(maps.PastActivations)
            .Where(i => classifier < 0 || i <= classifier)
            .Distinct()
            .Select(i => new TapCandidate(i, stageEnds.Count(end => end < i), Keep: false));
    }

    private static Func<TapCandidate, bool> New(List<TapCandidate> found) => c => found.All(f => f.Index != c.Index);

    private static void Thin(List<TapCandidate> found, WaypointMaps maps, int size)
    {
        foreach (TapCandidate shallow in found.Where(c => maps.Side(c.Index) * 4 > size).ToArray())
            if (found.Count > Fewest)
                found.Remove(shallow);
        while (found.Count > Most)
        {
            IEnumerable<TapCandidate> droppable = found.Where(c => !c.Keep).DefaultIfEmpty(found[0]);
            found.Remove(
                droppable.GroupBy(c => c.Stage).OrderByDescending(g => g.Count()).ThenBy(g => g.Key).First().First()
            );
        }
    }

    /// <summary>map28_2 is the second tap whose map is 28 x 28; vector is a row.</summary>
    private static IEnumerable<BackboneTap> Named(List<TapCandidate> found, WaypointMaps maps)
    {
        Dictionary<string, int> counts = [];
        foreach (TapCandidate candidate in found)
        {
            int side = maps.Side(candidate.Index);
            string kind = side == 1 ? "vector" : FormattableString.Invariant($"map{side}");
            int number = counts[kind] = counts.GetValueOrDefault(kind) + 1;
            yield return new BackboneTap
            {
                Name = FormattableString.Invariant($"{kind}_{number}"),
                Tensor = maps.Tensor(candidate.Index),
                Width = maps.Width(candidate.Index),
                Size = side,
            };
        }
    }
}
