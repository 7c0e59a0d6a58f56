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
                ? new TensorShape(
                    (TensorProto.Types.DataType)constant.DataType,
                    [.. constant.Dims.Select(d => new Dimension(d))]
                ).ToValueInfo(tensor)
                : null
        );
}
