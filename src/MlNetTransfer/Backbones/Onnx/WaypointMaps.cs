using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>
/// The waypoints of a path with what they hold: square maps [N, channels, side, side], rows [N, width], or something
/// that cannot be tapped.
/// </summary>
internal sealed class WaypointMaps
{
    private static readonly HashSet<string> Weighted = new(StringComparer.Ordinal)
    {
        "Conv",
        "Gemm",
        "MatMul",
        "FusedConv",
        "FusedGemm",
        "FusedMatMul",
        "ConvTranspose",
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
    };

    private readonly GraphPath path;
    private readonly IReadOnlyDictionary<string, SampleRun.Result> values;
    private readonly bool[] channelsLast;
    private readonly int first;

    public WaypointMaps(GraphPath path, IReadOnlyDictionary<string, SampleRun.Result> values)
    {
        (this.path, this.values) = (path, values);
        channelsLast = new bool[path.Waypoints.Count];
        bool last = false;
        for (int i = 0; i < channelsLast.Length; i++)
            channelsLast[i] = last = Layout(path.Waypoints[i].Segment, last);
        first = Math.Max(0, path.Waypoints.ToList().FindIndex(w => w.Segment.Any(IsWeighted)));
    }

    public string Tensor(int index) => path.Waypoints[index].Tensor;

    /// <summary>Side of the map; 1 for a row.</summary>
    public int Side(int index) => Shape(index) is [_, _, var side, _] ? side : 1;

    /// <summary>Channels of the map, or width of the row.</summary>
    public int Width(int index) => Shape(index)[1];

    /// <summary>
    /// The square maps from the first layer with weights to the classifier's input, in order; padded ones, which are
    /// between two sizes, left out.
    /// </summary>
    public IEnumerable<int> Squares(int classifier) =>
        Enumerable
            .Range(0, classifier < 0 ? path.Waypoints.Count : classifier + 1)
            .Where(i => i >= first && IsSquare(i) && path.Waypoints[i].Producer.OpType != "Pad");

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

    private bool IsTappable(int index) => IsSquare(index) || Shape(index) is [_, > 1];

    private bool IsSquare(int index) =>
        Shape(index) is [_, > 1, var height, var width]
        && height == width
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
