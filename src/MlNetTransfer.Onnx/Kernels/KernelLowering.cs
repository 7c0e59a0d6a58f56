using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Kernels;

/// <summary>
/// Rewrites a training graph of standard operators with kernels of our own where ONNX Runtime is slow at it. What the
/// graph computes stays the same but for rounding.
/// </summary>
/// <remarks>
/// Only nodes that depend on what is trained are touched: what is frozen is left to ONNX Runtime, which knows its
/// weights beforehand.
/// </remarks>
internal static class KernelLowering
{
    /// <summary>Rewrites a graph.</summary>
    /// <param name="model">A graph of fixed shapes.</param>
    /// <param name="trained">Inputs that hold what is trained.</param>
    /// <param name="last">Tensors of the update: nodes that depend on them stay as they are, since they overwrite what
    /// others read.</param>
    /// <param name="leastElements">Element-wise tensors of fewer elements stay as they are: they cost more calls than
    /// memory.</param>
    public static OnnxModel Apply(
        OnnxModel model,
        IReadOnlySet<string> trained,
        IReadOnlySet<string> last,
        long leastElements = 8192
    )
    {
        LoweredGraph graph = new(model.WithOpset(1, KernelRegistry.Domain), trained, last);
        DepthwiseLowering.Apply(graph);
        ElementwiseFusion.Apply(graph, leastElements);
        return graph.ToModel();
    }
}

/// <summary>A graph while it is rewritten: its nodes, who reads what, and the shapes.</summary>
internal sealed class LoweredGraph
{
    private readonly OnnxModel model;
    private readonly List<NodeProto?> nodes;
    private readonly Dictionary<string, List<int>> readers = [];
    private readonly Dictionary<string, int> makers = [];
    private readonly Dictionary<string, long[]> shapes = [];
    private readonly Dictionary<string, TensorProto> constants;
    private readonly HashSet<string> results,
        changing;

    public LoweredGraph(OnnxModel model, IReadOnlySet<string> trained, IReadOnlySet<string> last)
    {
        this.model = model;
        nodes = [.. model.TopologicalOrder().Select(n => n.Clone())];
        constants = model.Initializers.ToDictionary(i => i.Name);
        foreach (NodeProto node in nodes.OfType<NodeProto>().Where(n => n.OpType == "Constant"))
            if (node.Attribute.FirstOrDefault(a => a.Name == "value")?.T is { } value)
                constants.TryAdd(node.Output[0], value);
        results = [.. model.Outputs.Select(o => o.Name)];
        changing = [.. trained];
        HashSet<string> late = [.. last];
        for (int i = 0; i < nodes.Count; i++)
        {
            NodeProto node = nodes[i]!;
            foreach (string input in Subgraphs.NeededBy(node).Distinct())
                (readers.TryGetValue(input, out List<int>? known) ? known : readers[input] = []).Add(i);
            foreach (string output in node.Output)
                makers[output] = i;
            if (node.Input.Any(late.Contains))
                late.UnionWith(node.Output);
            else if (node.Input.Any(changing.Contains))
                changing.UnionWith(node.Output);
        }

        foreach (ValueInfoProto input in model.Inputs)
            Learn(input.Name, TensorShape.From(input));
        foreach (TensorProto constant in model.Initializers)
            shapes[constant.Name] = [.. constant.Dims];
        string[] asked =
        [
            .. nodes
                .OfType<NodeProto>()
                .Where(IsTrained)
                .SelectMany(n => n.Output.Concat(n.Input))
                .Where(t => t.Length > 0 && makers.ContainsKey(t))
                .Distinct(),
        ];
        if (asked.Length > 0)
            foreach ((string name, TensorShape shape) in TensorShapes.Of(model, asked))
                Learn(name, shape);
    }

    /// <summary>How many nodes there were.</summary>
    public int Count => nodes.Count;

    /// <summary>A node; null where it was taken out.</summary>
    public NodeProto? this[int index] => nodes[index];

    /// <summary>Sizes of a float32 tensor that are known; null otherwise.</summary>
    public long[]? Shape(string tensor) => shapes.GetValueOrDefault(tensor);

    /// <summary>A constant; null where a tensor is computed or trained.</summary>
    public TensorProto? Constant(string tensor) =>
        changing.Contains(tensor) ? null : constants.GetValueOrDefault(tensor);

    /// <summary>Whether a node depends on what is trained, and comes before its update.</summary>
    public bool IsTrained(NodeProto node) => node.Output.Count > 0 && changing.Contains(node.Output[0]);

    /// <summary>Whether a tensor leaves the graph.</summary>
    public bool IsResult(string tensor) => results.Contains(tensor);

    /// <summary>The node that makes a tensor; -1 for none.</summary>
    public int Maker(string tensor) => makers.GetValueOrDefault(tensor, -1);

    /// <summary>Nodes that read a tensor.</summary>
    public IReadOnlyList<int> Readers(string tensor) => readers.TryGetValue(tensor, out List<int>? known) ? known : [];

    /// <summary>The one node that reads a tensor; -1 where there are others, or it leaves the graph.</summary>
    public int OnlyReader(string tensor) => Readers(tensor) is [int reader] && !IsResult(tensor) ? reader : -1;

    /// <summary>Puts a node in the place of another, which may have had other inputs and another output.</summary>
    public void Replace(int index, NodeProto with)
    {
        Remove(index);
        nodes[index] = with;
        foreach (string input in with.Input.Distinct())
            (readers.TryGetValue(input, out List<int>? known) ? known : readers[input] = []).Add(index);
        foreach (string output in with.Output)
            makers[output] = index;
    }

    /// <summary>Takes a node out whose outputs nobody reads any more.</summary>
    public void Remove(int index)
    {
        foreach (string input in Subgraphs.NeededBy(nodes[index]!).Distinct())
            readers[input].Remove(index);
        nodes[index] = null;
    }

    public OnnxModel ToModel() =>
        model.With(proto =>
        {
            proto.Graph.Node.Clear();
            proto.Graph.Node.AddRange(nodes.OfType<NodeProto>());
            // ONNX Runtime infers no shapes through kernels.
            HashSet<string> known = [.. proto.Graph.ValueInfo.Select(v => v.Name)];
            foreach (NodeProto node in nodes.OfType<NodeProto>().Where(n => n.Domain == KernelRegistry.Domain))
            foreach (string output in node.Output.Where(known.Add))
                proto.Graph.ValueInfo.Add(Differentiator.Float(output, shapes[output]));
        });

    private void Learn(string name, TensorShape? shape)
    {
        // Of a tensor of which nothing is inferred, no dimension is stated, as of a single number.
        if (shape is { ElementType: DataType.Float, Rank: > 0 } && shape.Dimensions.All(d => d.Size is not null))
            shapes[name] = [.. shape.Dimensions.Select(d => d.Size!.Value)];
    }
}

/// <summary>Convolutions of every channel alone become kernels, a bound of their output with them.</summary>
internal static class DepthwiseLowering
{
    public static void Apply(LoweredGraph graph)
    {
        for (int i = 0; i < graph.Count; i++)
            if (graph[i] is { Domain: "", OpType: "Conv" or "ConvTranspose" } node && graph.IsTrained(node))
                Lower(graph, i, node);
            else if (graph[i] is { Domain: KernelRegistry.Domain } made && made.OpType == DepthwiseGradients.Kind.Name)
                TakeGate(graph, i, made);
    }

    /// <summary>Lets the gradients of a convolution compute the gradient of the activation before it.</summary>
    private static void TakeGate(LoweredGraph graph, int index, NodeProto node)
    {
        string dx = node.Output[0],
            x = node.Input[0];
        if (
            graph.OnlyReader(dx) is not (>= 0 and var reader)
            || ElementwiseFusion.GateOf(graph[reader]!) is not { } gate
            || graph[reader]!.Input is not [var gated, var source]
            || gated != dx
            || graph.Maker(source) >= index
        )
            return;
        NodeProto next = graph[reader]!;
        PlaneSizes sizes = PlaneSizes.Of(KernelRegistry.AttributesOf(node).Sizes);
        graph.Remove(reader);
        graph.Replace(
            index,
            KernelRegistry.Node(
                DepthwiseGradients.Kind,
                source == x ? node.Input : [.. node.Input, source],
                [next.Output[0], .. node.Output.Skip(1)],
                DepthwiseGradients.Sizes(sizes, DepthwiseEnd.Gated, isGatedByX: source == x),
                [gate.Alpha, gate.Beta]
            )
        );
    }

    private static void Lower(LoweredGraph graph, int index, NodeProto node)
    {
        bool isForward = node.OpType == "Conv";
        // Input and output as the convolution sees them, whichever way it goes.
        if (
            graph.Constant(node.Input[1]) is not null
            || graph.Shape(isForward ? node.Input[0] : node.Output[0]) is not [var batch, var channels, ..] x
            || graph.Shape(isForward ? node.Output[0] : node.Input[0]) is not [_, var filters, ..] y
            || graph.Shape(node.Input[1]) is not [_, 1, ..] w
            || x.Length != 4
            || w[2] * w[3] > PlaneSizes.MostTaps
            || channels != filters
            || Int(node, "group", 1) != channels
            || Ints(node, "dilations", 2).Any(d => d != 1)
            || Text(node, "auto_pad", "NOTSET") != "NOTSET"
            || (!isForward && (node.Input.Count > 2 || node.Attribute.Any(a => a.Name == "output_shape")))
        )
            return;
        long[] strides = Ints(node, "strides", 2),
            pads = node.Attribute.FirstOrDefault(a => a.Name == "pads") is { } set ? [.. set.Ints] : [0, 0, 0, 0];
        PlaneSizes sizes = new((int)batch, (int)channels, Axis(0), Axis(1));
        string[] inputs = [.. node.Input.Where(i => i.Length > 0)];
        string output = node.Output[0];
        (float low, float high) = (float.NegativeInfinity, float.PositiveInfinity);
        DepthwiseEnd end = DepthwiseEnd.None;
        int place = index;
        if (graph.OnlyReader(output) is >= 0 and var reader)
        {
            NodeProto next = graph[reader]!;
            if (isForward && Bounds(graph, next, output) is { } bounds)
                (end, low, high) = (DepthwiseEnd.Held, bounds.Low, bounds.High);
            else if (inputs.Length == 2 && ElementwiseFusion.GateOf(next) is { } gate && next.Input[0] == output)
                (end, low, high, inputs) = (DepthwiseEnd.Gated, gate.Alpha, gate.Beta, [.. inputs, next.Input[1]]);
            if (end != DepthwiseEnd.None)
                (output, place) = (next.Output[0], reader);
        }

        NodeProto kernel = KernelRegistry.Node(
            isForward ? DepthwiseConvolution.Kind : DepthwiseInputGradient.Kind,
            inputs,
            [output],
            [.. sizes.ToNumbers(), (long)end, end != DepthwiseEnd.Gated && inputs.Length > 2 ? 1 : 0],
            [low, high]
        );
        if (place != index)
            graph.Remove(index);
        graph.Replace(place, kernel);

        PlaneAxis Axis(int axis) =>
            new((int)x[2 + axis], (int)y[2 + axis], (int)w[2 + axis], (int)strides[axis], (int)pads[axis]);
    }

    /// <summary>The bounds that an activation holds a tensor in; null where it is none.</summary>
    private static (float Low, float High)? Bounds(LoweredGraph graph, NodeProto node, string tensor) =>
        node switch
        {
            { Domain: "", OpType: "Relu" } => (0, float.PositiveInfinity),
            { Domain: "", OpType: "Clip" } when node.Input[0] == tensor => ElementwiseFusion.Bounds(graph, node),
            _ => null,
        };

    private static long Int(NodeProto node, string name, long other) =>
        node.Attribute.FirstOrDefault(a => a.Name == name)?.I ?? other;

    private static string Text(NodeProto node, string name, string other) =>
        node.Attribute.FirstOrDefault(a => a.Name == name)?.S.ToStringUtf8() ?? other;

    private static long[] Ints(NodeProto node, string name, int count) =>
        node.Attribute.FirstOrDefault(a => a.Name == name) is { } set
            ? [.. set.Ints]
            : [.. Enumerable.Repeat(1L, count)];
}
