using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Models;

/// <summary>
/// Puts a head on a feature graph: logits by the head, probabilities = softmax(logits), label = the likeliest class.
/// </summary>
public static class ModelGraph
{
    /// <summary>The first operator set in which heads' operators have the form that heads write.</summary>
    private const int OldestOfHeads = 11;

    /// <summary>What a graph of an older set is rewritten for.</summary>
    private const int UpgradeTo = 13;

    /// <summary>Builds the whole model.</summary>
    /// <param name="features">The graph from image to features; see <see cref="FeatureGraph"/>.</param>
    /// <param name="head">The head; as wide as the features.</param>
    /// <param name="metadata">What the file says of itself.</param>
    /// <returns>Image [N, 3, H, W] to probabilities [N × classes] and label [N].</returns>
    public static OnnxModel Build(OnnxModel features, IHead head, ModelMetadata metadata)
    {
        OnnxModel model = WithHead(features, head);
        foreach ((string key, string value) in metadata.ToEntries())
            model = model.WithMetadata(key, value);
        return model;
    }

    /// <summary>Features to probabilities and label.</summary>
    /// <param name="features">A graph that has the features as the tensor <see cref="FeatureGraph.Output"/>.</param>
    /// <param name="head">The head.</param>
    internal static OnnxModel WithHead(OnnxModel features, IHead head)
    {
        if (features.OpsetVersion() < OldestOfHeads)
            features = features.UpgradeOpset(UpgradeTo);
        OnnxModel model = features
            .WithFreeName(TransferModel.ProbabilitiesOutput)
            .Model.WithFreeName(TransferModel.LabelOutput)
            .Model;
        var graph = new HeadGraph(model, FeatureGraph.Output);
        string logits = head.AddTo(graph);
        model = graph.Build();
        NodeProto[] nodes =
        [
            new()
            {
                OpType = "Softmax",
                Name = TransferModel.ProbabilitiesOutput,
                Input = { logits },
                Output = { TransferModel.ProbabilitiesOutput },
                Attribute = { Attributes.Of("axis", 1) },
            },
            new()
            {
                OpType = "ArgMax",
                Name = TransferModel.LabelOutput,
                Input = { logits },
                Output = { TransferModel.LabelOutput },
                Attribute = { Attributes.Of("axis", 1), Attributes.Of("keepdims", 0) },
            },
        ];
        return model.Append(nodes).CutAt(TransferModel.ProbabilitiesOutput, TransferModel.LabelOutput);
    }
}
