using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Quantization;

/// <summary>
/// Which nodes of a graph run on bytes for a choice of layers, and which tensors are quantised for them.
/// </summary>
/// <remarks>
/// A chosen layer reads bytes and writes bytes. An operator without weights that ONNX Runtime has a kernel on bytes for
/// joins in where bytes reach it and go on from it to another node on bytes; so the pooled features and what follows
/// them stay in float. A rectifier that alone reads a node's output belongs to that node: its range is the node's.
/// </remarks>
internal sealed class QuantizationPlan
{
    /// <summary>Operators without weights that run on bytes, with a range of their own for the output.</summary>
    private static readonly HashSet<string> Requantising =
    [
        "Add",
        "AveragePool",
        "Concat",
        "GlobalAveragePool",
        "LeakyRelu",
        "Mul",
        "Sigmoid",
    ];

    /// <summary>
    /// Operators that move bytes or choose among them, so that the output has the range of the input.
    /// </summary>
    private static readonly HashSet<string> Moving =
    [
        "Flatten",
        "MaxPool",
        "Reshape",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    ];

    private readonly ILookup<string, NodeProto> users;
    private readonly HashSet<string> constants,
        outputs;
    private readonly Dictionary<string, NodeProto> makers;

    /// <param name="graph">The graph, its nodes sorted.</param>
    /// <param name="layers">The layers that run on bytes.</param>
    public QuantizationPlan(GraphProto graph, IEnumerable<LayerNode> layers)
    {
        users = graph
            .Node.SelectMany(n => Subgraphs.NeededBy(n).Distinct().Select(i => (Input: i, Node: n)))
            .ToLookup(e => e.Input, e => e.Node);
        constants = [.. graph.Initializer.Select(i => i.Name)];
        outputs = [.. graph.Output.Select(o => o.Name)];
        makers = graph
            .Node.SelectMany(n => n.Output.Where(o => o.Length > 0).Select(o => (o, n)))
            .ToDictionary(e => e.o, e => e.n);
        OnBytes = new HashSet<NodeProto>(layers.Select(l => l.Node), ReferenceEqualityComparer.Instance);
        Join(graph);
        Tensors = [.. graph.Node.Where(OnBytes.Contains).SelectMany(n => Activations(n).Append(Result(n))).Distinct()];
    }

    /// <summary>Nodes that run on bytes.</summary>
    public HashSet<NodeProto> OnBytes { get; }

    /// <summary>Tensors that are quantised, in the order of the nodes.</summary>
    public IReadOnlyList<string> Tensors { get; }

    /// <summary>The tensor whose range a tensor takes.</summary>
    public string RangeOf(string tensor) =>
        makers.TryGetValue(tensor, out NodeProto? maker) && OnBytes.Contains(maker) && Moving.Contains(maker.OpType)
            ? RangeOf(maker.Input[0])
            : tensor;

    /// <summary>The rectifier that belongs to a node; null where there is none.</summary>
    public NodeProto? Rectifier(NodeProto node) =>
        !Moving.Contains(node.OpType)
        && !outputs.Contains(node.Output[0])
        && users[node.Output[0]].ToArray() is [{ OpType: "Relu" or "Clip" } only]
        && only.Input[0] == node.Output[0]
            ? only
            : null;

    /// <summary>The tensor that a node on bytes gives: its output, or that of its rectifier.</summary>
    public string Result(NodeProto node) => (Rectifier(node) ?? node).Output[0];

    private IEnumerable<string> Activations(NodeProto node) =>
        Moving.Contains(node.OpType)
            ? node.Input.Take(1)
            : node.Input.Where(i => i.Length > 0 && !constants.Contains(i));

    /// <summary>
    /// Starts with every operator that could join, and takes away those that bytes do not pass through until none is
    /// left.
    /// </summary>
    private void Join(GraphProto graph)
    {
        NodeProto[] open = [.. graph.Node.Where(CanJoin)];
        OnBytes.UnionWith(open);
        while (open.Where(n => !IsPassed(n)).ToArray() is { Length: > 0 } left)
        {
            OnBytes.ExceptWith(left);
            open = [.. open.Except(left)];
        }
    }

    private bool CanJoin(NodeProto node) =>
        OperatorSets.IsDefault(node.Domain)
        && node.Output.Count(o => o.Length > 0) == 1
        && (
            (Requantising.Contains(node.OpType) && node.Input.All(i => !constants.Contains(i)))
            || (Moving.Contains(node.OpType) && node.Input.Skip(1).All(constants.Contains))
        );

    private bool IsPassed(NodeProto node) =>
        Activations(node).Any(IsMadeOnBytes) && users[Result(node)].Any(OnBytes.Contains);

    private bool IsMadeOnBytes(string tensor)
    {
        if (!makers.TryGetValue(tensor, out NodeProto? maker))
            return false;
        if (OnBytes.Contains(maker))
            return true;
        return maker.OpType is "Relu" or "Clip"
            && makers.TryGetValue(maker.Input[0], out NodeProto? before)
            && OnBytes.Contains(before)
            && Rectifier(before) == maker;
    }
}
