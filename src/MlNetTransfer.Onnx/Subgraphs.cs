using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

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
    public static IEnumerable<NodeProto> NodesAnywhere(GraphProto graph) =>
        graph.Node.SelectMany(n => Of(n).SelectMany(NodesAnywhere).Prepend(n));
}
