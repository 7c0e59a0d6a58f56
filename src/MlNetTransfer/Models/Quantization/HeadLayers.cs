using MlNetTransfer.Features;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Models.Quantization;

/// <summary>Finds the layers of a model's head.</summary>
internal static class HeadLayers
{
    /// <summary>
    /// Names of the layers that read the features, directly or not; where the graph does not say what its features are,
    /// of the last layer.
    /// </summary>
    public static IReadOnlyList<string> Of(OnnxModel model, QuantizableGraph graph)
    {
        HashSet<string> after = [FeatureGraph.Output],
            nodes = [];
        foreach (NodeProto node in model.TopologicalOrder().Where(n => n.Input.Any(after.Contains)))
        {
            after.UnionWith(node.Output);
            nodes.Add(node.Name);
        }

        string[] head = [.. graph.Layers.Select(l => l.Name).Where(nodes.Contains)];
        return head.Length > 0 ? head : [graph.Layers[^1].Name];
    }
}
