using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>The part of a graph through which the image reaches the output.</summary>
/// <remarks>
/// A waypoint is a tensor that every path from the image to the output passes through (a dominator of the output;
/// Lengauer and Tarjan 1979 have the general case). The graph has no cycles, so one sweep in topological order finds
/// them all: right after a waypoint is made, it is the only tensor that is still waited for. Sizes (Shape, Size) are
/// not data: what only they carry does not count as a path.
/// </remarks>
internal sealed class GraphPath
{
    private readonly HashSet<string> dependent;

    private GraphPath(HashSet<string> dependent, IReadOnlyList<Waypoint> waypoints) =>
        (this.dependent, Waypoints) = (dependent, waypoints);

    /// <summary>All waypoints after the image, the output last.</summary>
    public IReadOnlyList<Waypoint> Waypoints { get; }

    /// <summary>Whether any layer with weights is on the way: what makes a graph a network.</summary>
    public bool HasLayers =>
        Waypoints.Any(w => w.Segment.Any(n => WaypointMaps.Weighted.Contains(n.OpType) && Data(n).Count == 1));

    /// <summary>Whether a tensor depends on the image's content.</summary>
    public bool DependsOnImage(string tensor) => dependent.Contains(tensor);

    /// <summary>
    /// Whether what a node gives is data: sizes are none, nor is the mask of a text, which goes beside all its layers.
    /// </summary>
    public static bool Carries(NodeProto node) =>
        node.OpType is not ("Shape" or "Size") && !node.Output.Contains(TextGraph.Mask);

    /// <summary>The inputs of a node that depend on the image, each once.</summary>
    public IReadOnlyList<string> Data(NodeProto node) =>
        [.. Subgraphs.NeededBy(node).Where(dependent.Contains).Distinct()];

    /// <exception cref="TransferException">The output does not depend on the image.</exception>
    public static GraphPath Between(OnnxModel model, string image, string output)
    {
        IReadOnlyList<NodeProto> nodes = model.TopologicalOrder();
        HashSet<string> dependent = [image];
        foreach (NodeProto node in nodes.Where(Carries))
            if (Subgraphs.NeededBy(node).Any(dependent.Contains))
                dependent.UnionWith(node.Output.Where(o => o.Length > 0));
        if (!dependent.Contains(output))
            throw new TransferException(
                $"The output '{output}' does not depend on the image. Choose the output with the scores."
            );

        HashSet<string> needed = [output];
        List<NodeProto> path = [];
        foreach (
            NodeProto node in nodes
                .Reverse()
                .Where(n => n.Output.Any(needed.Contains) && n.Output.Any(dependent.Contains))
        )
        {
            needed.UnionWith(Subgraphs.NeededBy(node).Where(dependent.Contains));
            path.Add(node);
        }

        path.Reverse();
        return new GraphPath(dependent, Sweep(path, image, dependent, needed));
    }

    private static List<Waypoint> Sweep(
        List<NodeProto> path,
        string image,
        HashSet<string> dependent,
        HashSet<string> needed
    )
    {
        Dictionary<string, int> lastUse = [];
        for (int i = 0; i < path.Count; i++)
            foreach (string input in Subgraphs.NeededBy(path[i]).Where(dependent.Contains))
                lastUse[input] = i;
        List<Waypoint> waypoints = [];
        HashSet<string> waited = [image];
        List<NodeProto> segment = [];
        for (int i = 0; i < path.Count; i++)
        {
            segment.Add(path[i]);
            waited.RemoveWhere(t => lastUse.GetValueOrDefault(t, int.MaxValue) <= i);
            waited.UnionWith(path[i].Output.Where(needed.Contains));
            if (waited.Count != 1)
                continue;
            waypoints.Add(new Waypoint(waited.Single(), segment));
            segment = [];
        }

        return waypoints;
    }
}
