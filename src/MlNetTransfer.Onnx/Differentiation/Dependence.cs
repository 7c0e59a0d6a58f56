using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>Which tensors of a graph depend on which.</summary>
internal static class Dependence
{
    /// <summary>
    /// Inputs and outputs of every node through which a source is reached: the tensors whose shapes a backward pass may
    /// ask for.
    /// </summary>
    /// <param name="nodes">Nodes in topological order.</param>
    /// <param name="sources">Tensors to train.</param>
    public static HashSet<string> Around(IReadOnlyList<NodeProto> nodes, IEnumerable<string> sources)
    {
        HashSet<string> reached = [.. sources],
            around = [.. reached];
        foreach (NodeProto node in nodes.Where(n => n.Input.Any(reached.Contains)))
        {
            reached.UnionWith(node.Output.Where(o => o.Length > 0));
            around.UnionWith(node.Input.Concat(node.Output).Where(t => t.Length > 0));
        }

        return around;
    }

    /// <summary>
    /// The real tensors that change when a source does, the sources included. Integers (shapes, indices) carry no
    /// gradient.
    /// </summary>
    public static HashSet<string> OnAny(StaticGraph graph, IEnumerable<string> sources)
    {
        HashSet<string> varying = [.. sources];
        foreach (NodeProto node in graph.Model.Nodes.Where(n => n.Input.Any(varying.Contains)))
            varying.UnionWith(node.Output.Where(o => o.Length > 0 && graph.IsReal(o)));
        return varying;
    }
}
