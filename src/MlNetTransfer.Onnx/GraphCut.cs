using System.Globalization;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>Keeps the part of a graph that computes chosen tensors.</summary>
internal static class GraphCut
{
    /// <param name="model">The model to cut; not changed.</param>
    /// <param name="targets">Tensors that become the outputs, in this order.</param>
    /// <param name="typed">Whether every output must state type and shape; those unknown are inferred by ONNX
    /// Runtime.</param>
    public static OnnxModel At(OnnxModel model, IReadOnlyList<string> targets, bool typed)
    {
        if (targets.Count == 0)
            throw new ArgumentException("Name at least one tensor to cut at.", nameof(targets));
        GraphProto graph = model.Proto.Graph;
        HashSet<string> known = [.. Subgraphs.DefinedIn(graph)];
        if (targets.FirstOrDefault(t => !known.Contains(t)) is { } missing)
            throw new GraphException(
                $"The model has no tensor '{missing}'. Near names: "
                    + $"{string.Join(", ", NearestNames.Of(missing, known.Where(n => n.Length > 0)))}."
            );

        HashSet<string> needed = [.. targets];
        List<NodeProto> nodes = NodesFor(graph, needed);
        IReadOnlyList<ValueInfoProto> outputs =
        [
            .. targets.Distinct().Select(t => Declared(graph, t) ?? new ValueInfoProto { Name = t }),
        ];
        OnnxModel cut = model.With(proto => Keep(proto.Graph, NodeOrder.Sort(nodes), needed, outputs, targets));
        string[] untyped = [.. outputs.Where(o => o.Type is null).Select(o => o.Name)];
        if (!typed || untyped.Length == 0)
            return cut;
        IReadOnlyDictionary<string, TensorShape> shapes = TensorShapes.Of(cut, untyped);
        return cut.With(proto =>
        {
            foreach (ValueInfoProto output in proto.Graph.Output)
                if (shapes.TryGetValue(output.Name, out TensorShape? shape))
                    output.MergeFrom(shape.ToValueInfo(output.Name));
        });
    }

    /// <summary>
    /// Walks from the needed tensors to their sources; adds every tensor met to <paramref name="needed"/>.
    /// </summary>
    private static List<NodeProto> NodesFor(GraphProto graph, HashSet<string> needed)
    {
        Dictionary<string, int> producer = NodeOrder.Producers(graph.Node);
        SortedSet<int> kept = [];
        Queue<string> open = new(needed);
        while (open.TryDequeue(out string? tensor))
            if (producer.TryGetValue(tensor, out int index) && kept.Add(index))
                foreach (string source in Subgraphs.NeededBy(graph.Node[index]))
                    if (needed.Add(source))
                        open.Enqueue(source);
        return [.. kept.Select(i => graph.Node[i])];
    }

    private static void Keep(
        GraphProto graph,
        IReadOnlyList<NodeProto> nodes,
        HashSet<string> needed,
        IReadOnlyList<ValueInfoProto> outputs,
        IReadOnlyList<string> targets
    )
    {
        HashSet<string> made = [.. nodes.SelectMany(n => n.Output), .. needed];
        Retain(graph.Initializer, i => needed.Contains(i.Name));
        Retain(graph.SparseInitializer, i => needed.Contains(Subgraphs.NameOf(i)));
        Retain(graph.Input, i => needed.Contains(i.Name));
        Retain(graph.ValueInfo, v => made.Contains(v.Name) && !targets.Contains(v.Name));
        Retain(graph.QuantizationAnnotation, a => made.Contains(a.TensorName));
        graph.Node.Clear();
        graph.Node.AddRange(nodes.Select(n => n.Clone()));
        graph.Output.Clear();
        graph.Output.AddRange(outputs.Select(o => o.Clone()));
    }

    private static void Retain<T>(Google.Protobuf.Collections.RepeatedField<T> field, Func<T, bool> keep)
    {
        T[] kept = [.. field.Where(keep)];
        if (kept.Length == field.Count)
            return;
        field.Clear();
        field.AddRange(kept);
    }

    private static ValueInfoProto? Declared(GraphProto graph, string tensor) =>
        graph
            .Output.Concat(graph.ValueInfo)
            .Concat(graph.Input)
            .FirstOrDefault(v => v.Name == tensor && TensorShape.From(v) is not null)
        ?? (
            graph.Initializer.FirstOrDefault(i => i.Name == tensor) is { } constant
                ? TensorShape.Of(constant).ToValueInfo(tensor)
                : null
        );
}

/// <summary>
/// Makes one model of two that run one after the other, e.g. of a network and of the graph that prepares its input.
/// </summary>
internal static class GraphJoin
{
    /// <summary>The second model, fed by the first.</summary>
    /// <exception cref="GraphException">The first has not one output, or the second not one input.</exception>
    public static OnnxModel Of(OnnxModel first, OnnxModel second)
    {
        if (first.Outputs.Count != 1 || second.Inputs.Count != 1)
            throw new GraphException(
                $"Models are joined where the first has one output and the second one input; they have "
                    + $"{first.Outputs.Count} and {second.Inputs.Count}."
            );
        int opset = Math.Max(first.OpsetVersion(), second.OpsetVersion());
        (first, second) = (
            first.UpgradeOpset(opset).WithConstantWeights(),
            second.UpgradeOpset(opset).WithConstantWeights()
        );
        first = WithNamesApart(first, second);
        string joint = first.Outputs[0].Name,
            input = second.Inputs[0].Name;
        return second
            .RenameTensor(input, joint)
            .With(proto =>
            {
                ModelProto front = first.Proto;
                proto.IrVersion = Math.Max(proto.IrVersion, front.IrVersion);
                proto.Graph.Input.Clear();
                proto.Graph.Input.AddRange(front.Graph.Input);
                proto.Graph.Initializer.AddRange(front.Graph.Initializer);
                proto.Graph.ValueInfo.AddRange(front.Graph.ValueInfo);
                NodeProto[] nodes =
                [
                    .. GraphEdits.WithFreeNames(front.Graph.Node, proto.Graph.Node),
                    .. proto.Graph.Node,
                ];
                proto.Graph.Node.Clear();
                proto.Graph.Node.AddRange(nodes);
                foreach (
                    OperatorSetIdProto set in front.OpsetImport.Where(s =>
                        proto.OpsetImport.All(o => !SameDomain(o, s))
                    )
                )
                    proto.OpsetImport.Add(set.Clone());
            });
    }

    private static bool SameDomain(OperatorSetIdProto a, OperatorSetIdProto b) =>
        a.Domain == b.Domain || (OperatorSets.IsDefault(a.Domain) && OperatorSets.IsDefault(b.Domain));

    private static OnnxModel WithNamesApart(OnnxModel model, OnnxModel other)
    {
        HashSet<string> taken = [.. Subgraphs.DefinedAnywhere(other.Proto.Graph)];
        foreach (string name in Subgraphs.DefinedIn(model.Proto.Graph).Where(taken.Contains).ToArray())
            model = model.RenameTensor(
                name,
                NameAllocator.First(
                    $"{name}_before",
                    taken.Union(Subgraphs.DefinedAnywhere(model.Proto.Graph)).ToHashSet()
                )
            );
        return model;
    }
}

/// <summary>The bodies of If, Loop and Scan, and the tensors they take from outside.</summary>
internal static class Subgraphs
{
    public static IEnumerable<GraphProto> Of(AttributeProto attribute) =>
        attribute.G is null ? attribute.Graphs : attribute.Graphs.Prepend(attribute.G);

    public static IEnumerable<GraphProto> Of(NodeProto node) => node.Attribute.SelectMany(Of);

    /// <summary>
    /// Names of all tensors a node needs: its own inputs (omitted optional ones left out) and what its subgraphs
    /// capture.
    /// </summary>
    public static IEnumerable<string> NeededBy(NodeProto node) =>
        node.Input.Where(n => n.Length > 0).Concat(Of(node).SelectMany(CapturedBy));

    /// <summary>Names a subgraph uses without defining them.</summary>
    public static IEnumerable<string> CapturedBy(GraphProto graph)
    {
        HashSet<string> own = [.. DefinedIn(graph)];
        return graph
            .Node.SelectMany(NeededBy)
            .Concat(graph.Output.Select(o => o.Name))
            .Where(n => !own.Contains(n))
            .Distinct();
    }

    /// <summary>
    /// Names a graph defines itself: inputs, initializers, outputs of nodes; those inside its subgraphs not included.
    /// </summary>
    public static IEnumerable<string> DefinedIn(GraphProto graph) =>
        graph
            .Input.Select(i => i.Name)
            .Concat(graph.Initializer.Select(i => i.Name))
            .Concat(graph.SparseInitializer.Select(NameOf))
            .Concat(graph.Node.SelectMany(n => n.Output).Where(n => n.Length > 0));

    /// <summary>Name of a sparse initializer: that of its values; empty where it has none.</summary>
    public static string NameOf(SparseTensorProto sparse) => sparse.Values?.Name ?? "";

    /// <summary>Names defined in a graph or in any subgraph below it.</summary>
    public static IEnumerable<string> DefinedAnywhere(GraphProto graph) =>
        DefinedIn(graph).Concat(graph.Node.SelectMany(Of).SelectMany(DefinedAnywhere));

    /// <summary>The nodes of a graph and of all graphs below it.</summary>
    public static IEnumerable<NodeProto> NodesAnywhere(GraphProto graph) => graph.Node.SelectMany(NodesAnywhere);

    /// <summary>A node and those of all graphs below it.</summary>
    public static IEnumerable<NodeProto> NodesAnywhere(NodeProto node) =>
        Of(node).SelectMany(NodesAnywhere).Prepend(node);
}

/// <summary>
/// Topological order of nodes (Kahn 1962), stable: among nodes that are ready, the one that stood first goes first.
/// </summary>
internal static class NodeOrder
{
    /// <exception cref="GraphException">Two nodes make the same tensor, or nodes depend on each other in a
    /// circle.</exception>
    public static IReadOnlyList<NodeProto> Sort(IReadOnlyList<NodeProto> nodes)
    {
        Dictionary<string, int> producer = Producers(nodes);
        int[] waitingFor = new int[nodes.Count];
        List<int>[] consumers = [.. nodes.Select(_ => new List<int>())];
        for (int i = 0; i < nodes.Count; i++)
            foreach (
                int source in Subgraphs
                    .NeededBy(nodes[i])
                    .Where(producer.ContainsKey)
                    .Select(n => producer[n])
                    .Distinct()
            )
            {
                waitingFor[i]++;
                consumers[source].Add(i);
            }

        PriorityQueue<int, int> ready = new(
            Enumerable.Range(0, nodes.Count).Where(i => waitingFor[i] == 0).Select(i => (i, i))
        );
        List<NodeProto> sorted = new(nodes.Count);
        while (ready.TryDequeue(out int next, out _))
        {
            sorted.Add(nodes[next]);
            foreach (int consumer in consumers[next])
                if (--waitingFor[consumer] == 0)
                    ready.Enqueue(consumer, consumer);
        }

        if (sorted.Count == nodes.Count)
            return sorted;
        IEnumerable<string> stuck = Enumerable
            .Range(0, nodes.Count)
            .Where(i => waitingFor[i] > 0)
            .Take(5)
            .Select(i => Describe(nodes[i]));
        throw new GraphException(
            $"The graph has a cycle through or before {string.Join(", ", stuck)}; an ONNX graph must have none. "
                + $"Export the model again."
        );
    }

    public static Dictionary<string, int> Producers(IReadOnlyList<NodeProto> nodes)
    {
        Dictionary<string, int> producer = [];
        for (int i = 0; i < nodes.Count; i++)
            foreach (string output in nodes[i].Output.Where(o => o.Length > 0))
                if (!producer.TryAdd(output, i))
                    throw new GraphException(
                        $"Tensor '{output}' is made twice: by {Describe(nodes[producer[output]])} and by "
                            + $"{Describe(nodes[i])}. Rename one of them."
                    );
        return producer;
    }

    public static string Describe(NodeProto node) =>
        $"{node.OpType} node '{(node.Name.Length > 0 ? node.Name : string.Join(", ", node.Output))}'";
}

/// <summary>Finds names that are free.</summary>
internal static class NameAllocator
{
    /// <summary>The prefix itself where it is free, else the first of prefix_1, prefix_2, ... that is.</summary>
    public static string First(string prefix, IReadOnlySet<string> taken)
    {
        ArgumentException.ThrowIfNullOrEmpty(prefix);
        if (!taken.Contains(prefix))
            return prefix;
        for (int i = 1; ; i++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"{prefix}_{i}");
            if (!taken.Contains(name))
                return name;
        }
    }
}
