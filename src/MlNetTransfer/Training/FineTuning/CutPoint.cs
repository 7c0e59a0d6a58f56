using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Training;

/// <summary>Whether a graph with several outputs can be cut in two at one tensor.</summary>
internal static class CutPoint
{
    /// <summary>Each tap depends on the image either through the tensor alone or not through it at all.</summary>
    public static bool Separates(OnnxModel model, string image, string tensor, IReadOnlyList<string> taps)
    {
        HashSet<string> through = Reached(model, [tensor]),
            around = Reached(model, [image], tensor);
        return taps.All(tap => !through.Contains(tap) || tap == tensor || !around.Contains(tap));
    }

    /// <summary>
    /// Tensors that depend on the content of some tensors, those included, without going through one.
    /// </summary>
    public static HashSet<string> Reached(OnnxModel model, IEnumerable<string> from, string? without = null)
    {
        HashSet<string> reached = [.. from];
        foreach (NodeProto node in model.TopologicalOrder().Where(n => n.OpType is not ("Shape" or "Size")))
            if (Subgraphs.NeededBy(node).Any(reached.Contains))
                reached.UnionWith(node.Output.Where(o => o.Length > 0 && o != without));
        return reached;
    }
}
