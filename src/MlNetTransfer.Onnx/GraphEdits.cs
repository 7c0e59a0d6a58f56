using Google.Protobuf.Collections;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>Edits of a model's graph; none changes the model it is given.</summary>
internal static class GraphEdits
{
    public static OnnxModel Append(
        OnnxModel model,
        IReadOnlyList<NodeProto> nodes,
        IReadOnlyList<TensorProto> initializers,
        int? writtenFor
    )
    {
        int opset = model.OpsetVersion();
        foreach (NodeProto node in nodes)
        {
            OperatorSets.Require(node, opset);
            if (writtenFor is { } written)
                OperatorSets.SameForm(node, written, opset);
            if (!OperatorSets.IsDefault(node.Domain) && model.OpsetVersion(node.Domain) == 0)
                throw new GraphException(
                    $"{NodeOrder.Describe(node)} is of domain '{node.Domain}', which the model does not import. Add "
                        + $"it first with {nameof(OnnxModel.WithOpset)}(version, \"{node.Domain}\")."
                );
        }

        HashSet<string> defined = [.. Subgraphs.DefinedAnywhere(model.Proto.Graph)];
        foreach (
            string name in initializers
                .Select(i => i.Name)
                .Concat(nodes.SelectMany(n => n.Output).Where(o => o.Length > 0))
        )
            if (!defined.Add(name))
                throw new GraphException(
                    $"The model already has a tensor '{name}'. Choose another name, for example "
                        + $"{nameof(OnnxModel.UniqueName)}(\"{name}\")."
                );
        CheckInputs(nodes, defined);
        return model.With(proto =>
        {
            proto.Graph.Initializer.AddRange(initializers);
            Replace(proto.Graph.Node, NodeOrder.Sort([.. proto.Graph.Node, .. WithFreeNames(nodes, proto.Graph.Node)]));
        });
    }

    /// <summary>
    /// Copies of the nodes, renamed where another node has the name: runtimes refuse two nodes of one name, and nothing
    /// refers to a node by it.
    /// </summary>
    internal static IEnumerable<NodeProto> WithFreeNames(IEnumerable<NodeProto> nodes, IEnumerable<NodeProto> others)
    {
        HashSet<string> taken = [.. others.Select(n => n.Name)];
        foreach (NodeProto node in nodes)
        {
            NodeProto copy = node.Clone();
            if (copy.Name.Length > 0)
                taken.Add(copy.Name = NameAllocator.First(copy.Name, taken));
            yield return copy;
        }
    }

    public static void CheckInputs(IEnumerable<NodeProto> nodes, IReadOnlySet<string> defined)
    {
        foreach (NodeProto node in nodes)
            if (Subgraphs.NeededBy(node).FirstOrDefault(n => !defined.Contains(n)) is { } missing)
                throw new GraphException(
                    $"Input '{missing}' of {NodeOrder.Describe(node)} is made by nothing. Near names: "
                        + $"{string.Join(", ", NearestNames.Of(missing, defined))}."
                );
    }

    public static OnnxModel Rename(OnnxModel model, string from, string to)
    {
        ArgumentException.ThrowIfNullOrEmpty(to);
        if (from == to)
            return model;
        HashSet<string> top = [.. Subgraphs.DefinedIn(model.Proto.Graph)];
        if (!top.Contains(from))
            throw new GraphException(
                $"The model has no tensor '{from}'. Near names: {string.Join(", ", NearestNames.Of(from, top))}."
            );
        if (Subgraphs.DefinedAnywhere(model.Proto.Graph).Contains(to))
            throw new GraphException(
                $"'{from}' cannot be renamed: the model already has a tensor '{to}'. Choose another name."
            );
        return model.With(proto => Rename(proto.Graph, from, to));
    }

    public static OnnxModel RemoveUnusedInitializers(OnnxModel model)
    {
        GraphProto graph = model.Proto.Graph;
        HashSet<string> used = [.. graph.Node.SelectMany(Subgraphs.NeededBy), .. graph.Output.Select(o => o.Name)];
        HashSet<string> unused =
        [
            .. graph
                .Initializer.Select(i => i.Name)
                .Concat(graph.SparseInitializer.Select(Subgraphs.NameOf))
                .Where(n => !used.Contains(n)),
        ];
        if (unused.Count == 0)
            return model;
        return model.With(proto =>
        {
            Replace(proto.Graph.Initializer, [.. proto.Graph.Initializer.Where(i => !unused.Contains(i.Name))]);
            Replace(
                proto.Graph.SparseInitializer,
                [.. proto.Graph.SparseInitializer.Where(s => !unused.Contains(Subgraphs.NameOf(s)))]
            );
            Replace(proto.Graph.Input, [.. proto.Graph.Input.Where(i => !unused.Contains(i.Name))]);
        });
    }

    public static OnnxModel RequireOpset(OnnxModel model, int version, string domain)
    {
        int current = model.OpsetVersion(domain);
        if (current >= version)
            return model;
        if (OperatorSets.IsDefault(domain) && current > 0)
            foreach (NodeProto node in Subgraphs.NodesAnywhere(model.Proto.Graph))
                OperatorSets.SameForm(node, current, version);
        return model.With(proto =>
        {
            Replace(
                proto.OpsetImport,
                [
                    .. proto.OpsetImport.Where(o =>
                        o.Domain != domain && !(OperatorSets.IsDefault(domain) && OperatorSets.IsDefault(o.Domain))
                    ),
                    new OperatorSetIdProto { Domain = domain, Version = version },
                ]
            );
        });
    }

    private static void Rename(GraphProto graph, string from, string to)
    {
        foreach (
            ValueInfoProto value in graph.Input.Concat(graph.Output).Concat(graph.ValueInfo).Where(v => v.Name == from)
        )
            value.Name = to;
        foreach (
            TensorProto tensor in graph
                .Initializer.Concat(graph.SparseInitializer.Select(s => s.Values))
                .Where(t => t?.Name == from)
        )
            tensor.Name = to;
        foreach (TensorAnnotation annotation in graph.QuantizationAnnotation.Where(a => a.TensorName == from))
            annotation.TensorName = to;
        foreach (NodeProto node in graph.Node)
        {
            Rename(node.Input, from, to);
            Rename(node.Output, from, to);
            foreach (GraphProto body in Subgraphs.Of(node))
                if (!Subgraphs.DefinedIn(body).Contains(from))
                    Rename(body, from, to);
        }
    }

    private static void Rename(RepeatedField<string> names, string from, string to)
    {
        for (int i = 0; i < names.Count; i++)
            if (names[i] == from)
                names[i] = to;
    }

    internal static void Replace<T>(RepeatedField<T> field, IReadOnlyList<T> items)
    {
        field.Clear();
        field.AddRange(items);
    }
}
