using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>
/// Where a network that nobody described can be cut, by the form of its graph alone: no names, no tables of
/// architectures.
/// </summary>
/// <remarks>
/// Only waypoints are proposed: tensors that every path passes through, so that nothing is lost at a cut. Of those:
/// <list type="number">
/// <item>the end of each resolution stage: the last map before the side shrinks to two thirds or less;</item>
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
        (int Width, int Height) shape
    )
    {
        WaypointMaps maps = new(path, values, shape);
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
        Thin(found, maps, Math.Max(shape.Width, shape.Height));
        return [.. Named(found, maps)];
    }

    /// <summary>The last map of every resolution.</summary>
    private static IEnumerable<TapCandidate> Stages(WaypointMaps maps, int classifier)
    {
        int stage = 0,
            last = -1;
        foreach (int index in maps.Maps(classifier))
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
        return maps.Maps(classifier)
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
            (int height, int width) = maps.Sides(candidate.Index);
            string kind =
                (height, width) == (1, 1) ? "vector"
                : height == width ? FormattableString.Invariant($"map{height}")
                : FormattableString.Invariant($"map{height}x{width}");
            int number = counts[kind] = counts.GetValueOrDefault(kind) + 1;
            yield return new BackboneTap
            {
                Name = FormattableString.Invariant($"{kind}_{number}"),
                Tensor = maps.Tensor(candidate.Index),
                Width = maps.Width(candidate.Index),
                Size = height,
                Columns = width == height ? null : width,
            };
        }
    }
}

/// <summary>A waypoint that may become a tap.</summary>
/// <param name="Index">Index of the waypoint.</param>
/// <param name="Stage">Which resolution it belongs to, from 0.</param>
/// <param name="Keep">It is never dropped to keep the list short.</param>
internal readonly record struct TapCandidate(int Index, int Stage, bool Keep);

/// <summary>A tensor that every path from the image to the output passes through.</summary>
/// <param name="Tensor">Its name.</param>
/// <param name="Segment">The nodes between the waypoint before and this one, in topological order; the last makes the
/// tensor.</param>
internal sealed record Waypoint(string Tensor, IReadOnlyList<NodeProto> Segment)
{
    /// <summary>The node that makes the tensor.</summary>
    public NodeProto Producer => Segment[^1];
}

/// <summary>
/// The waypoints of a path with what they hold: maps [N, channels, height, width], square as the input is, rows
/// [N, width], or something that cannot be tapped.
/// </summary>
internal sealed class WaypointMaps
{
    public static readonly HashSet<string> Weighted = new(StringComparer.Ordinal)
    {
        "Conv",
        "Gemm",
        "MatMul",
        "FusedConv",
        "FusedGemm",
        "FusedMatMul",
        "ConvTranspose",
        "QLinearConv",
        "QLinearMatMul",
        "QGemm",
    };

    private static readonly HashSet<string> Activating = new(StringComparer.Ordinal)
    {
        "Relu",
        "LeakyRelu",
        "PRelu",
        "Elu",
        "Selu",
        "Celu",
        "ThresholdedRelu",
        "Clip",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
        "Tanh",
        "Softplus",
        "Softsign",
        "Mish",
        "Gelu",
        "FastGelu",
        "QuickGelu",
        "Erf",
        "Mul",
        "Div",
        "Add",
        "Sub",
        "Min",
        "Max",
        "Pow",
        "BatchNormalization",
        "Identity",
        "Dropout",
        "Cast",
        "QuantizeLinear",
        "DequantizeLinear",
    };

    private static readonly HashSet<string> Averaging = new(StringComparer.Ordinal)
    {
        "GlobalAveragePool",
        "ReduceMean",
        "Flatten",
        "Reshape",
        "Squeeze",
        "Identity",
        "Dropout",
        "Cast",
        "QuantizeLinear",
        "DequantizeLinear",
    };

    private readonly GraphPath path;
    private readonly IReadOnlyDictionary<string, SampleRun.Result> values;
    private readonly bool[] channelsLast;
    private readonly int first;
    private readonly bool square;

    public WaypointMaps(
        GraphPath path,
        IReadOnlyDictionary<string, SampleRun.Result> values,
        (int Width, int Height) shape
    )
    {
        (this.path, this.values, square) = (path, values, shape.Width == shape.Height);
        channelsLast = new bool[path.Waypoints.Count];
        bool last = false;
        for (int i = 0; i < channelsLast.Length; i++)
            channelsLast[i] = last = Layout(path.Waypoints[i].Segment, last);
        first = Math.Max(0, path.Waypoints.ToList().FindIndex(w => w.Segment.Any(IsWeighted)));
    }

    public string Tensor(int index) => path.Waypoints[index].Tensor;

    /// <summary>Larger side of the map; 1 for a row.</summary>
    public int Side(int index) => Math.Max(Sides(index).Height, Sides(index).Width);

    /// <summary>Sides of the map; 1 for a row.</summary>
    public (int Height, int Width) Sides(int index) =>
        Shape(index) is [_, _, var height, var width] ? (height, width) : (1, 1);

    /// <summary>Channels of the map, or width of the row.</summary>
    public int Width(int index) => Shape(index)[1];

    /// <summary>
    /// The maps from the first layer with weights to the classifier's input, in order; padded ones, which are
    /// between two sizes, left out.
    /// </summary>
    public IEnumerable<int> Maps(int classifier) =>
        Enumerable
            .Range(0, classifier < 0 ? path.Waypoints.Count : classifier + 1)
            .Where(i => i >= first && IsMap(i) && path.Waypoints[i].Producer.OpType != "Pad");

    /// <summary>The waypoint is made from two or more branches.</summary>
    public bool IsJoin(int index) =>
        path.Waypoints[index].Producer is { OpType: "Add" or "Sum" or "Concat" } producer
        && path.Data(producer).Count > 1;

    /// <summary>The waypoint is made by a convolution, and by nothing beside it.</summary>
    public bool IsConvolution(int index) => path.Waypoints[index].Segment is [{ OpType: "Conv" or "FusedConv" }];

    /// <summary>The waypoint after the activations that directly follow, which keep the shape.</summary>
    public int PastActivations(int index)
    {
        while (
            index + 1 < path.Waypoints.Count
            && Shape(index + 1).SequenceEqual(Shape(index))
            && path.Waypoints[index + 1].Segment.All(n => Activating.Contains(n.OpType))
            && !IsJoinWithoutMul(index + 1)
        )
            index++;
        return index;
    }

    /// <summary>Whether the second waypoint is nothing but the first, averaged over its positions.</summary>
    public bool IsPlainMean(int map, int row) =>
        map < row
        && Width(map) == Width(row)
        && Enumerable
            .Range(map + 1, row - map)
            .SelectMany(i => path.Waypoints[i].Segment)
            .All(n => Averaging.Contains(n.OpType));

    /// <summary>
    /// What the last layer with weights takes: a row, or a map where that layer is a convolution; -1 where the model
    /// does not end in such a layer.
    /// </summary>
    public int ClassifierInput()
    {
        if (Shape(path.Waypoints.Count - 1) is not ([_, _] or [_, _, 1, 1]))
            return -1;
        int last = path.Waypoints.Count - 1;
        while (last > 0 && !path.Waypoints[last].Segment.Any(IsWeighted))
            last--;
        if (last == 0)
            return -1;
        if (
            path.Waypoints[last].Segment is not [var layer, ..]
            || !IsWeighted(layer)
            || path.Waypoints[last].Segment.Count(IsWeighted) > 1
            || IsJoin(last)
        )
            return IsTappable(path.Waypoints.Count - 1) ? path.Waypoints.Count - 1 : -1;
        return IsTappable(last - 1) ? last - 1 : -1;
    }

    /// <summary>
    /// Whether the output comes from a last layer with weights that takes the last tap: what a classifier is.
    /// </summary>
    public bool EndsInLayer(int classifier) => classifier >= 0 && classifier < path.Waypoints.Count - 1;

    private bool IsTappable(int index) => IsMap(index) || Shape(index) is [_, > 1];

    private bool IsMap(int index) =>
        Shape(index) is [_, > 1, var height, var width]
        && (height == width || !square)
        && !channelsLast[index]
        && values[Tensor(index)].IsNumber;

    private bool IsJoinWithoutMul(int index) =>
        path.Waypoints[index].Segment.Any(n => n.OpType is "Add" or "Sub" && path.Data(n).Count > 1);

    private bool IsWeighted(NodeProto node) => Weighted.Contains(node.OpType) && path.Data(node).Count == 1;

    private int[] Shape(int index) => values[Tensor(index)].Shape;

    private static bool Layout(IReadOnlyList<NodeProto> segment, bool last)
    {
        foreach (NodeProto node in segment.Where(n => n.OpType == "Transpose"))
            last = node.Attribute.FirstOrDefault(a => a.Name == "perm")?.Ints switch
            {
                [0, 2, 3, 1] => true,
                [0, 3, 1, 2] => false,
                _ => last,
            };
        return last;
    }
}
