using MlNetTransfer.Features;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Models;

/// <summary>Puts a head on a feature graph: logits by the head, probabilities = softmax(logits), label = the likeliest class.</summary>
public static class ModelGraph
{
    /// <summary>Builds the whole model.</summary>
    /// <param name="features">The graph from image to features; see <see cref="FeatureGraph"/>.</param>
    /// <param name="head">The head; as wide as the features.</param>
    /// <param name="metadata">What the file says of itself.</param>
    /// <returns>Image [N, 3, H, W] to probabilities [N × classes] and label [N].</returns>
    public static OnnxModel Build(OnnxModel features, IHead head, ModelMetadata metadata)
    {
        // Nodes of heads have the form of operator set 11 and later; ResNet-18 as ML.NET ships it is of set 8.
        if (features.OpsetVersion() < 11) features = features.UpgradeOpset(13);
        OnnxModel model = features.WithFreeName(TransferModel.ProbabilitiesOutput).Model.WithFreeName(TransferModel.LabelOutput).Model;
        var graph = new HeadGraph(model, FeatureGraph.Output);
        string logits = head.AddTo(graph);
        model = graph.Build();
        NodeProto[] nodes =
        [
            new() { OpType = "Softmax", Name = TransferModel.ProbabilitiesOutput, Input = { logits }, Output = { TransferModel.ProbabilitiesOutput }, Attribute = { Attributes.Of("axis", 1) } },
            new() { OpType = "ArgMax", Name = TransferModel.LabelOutput, Input = { logits }, Output = { TransferModel.LabelOutput }, Attribute = { Attributes.Of("axis", 1), Attributes.Of("keepdims", 0) } },
        ];
        model = model.Append(nodes).CutAt(TransferModel.ProbabilitiesOutput, TransferModel.LabelOutput);
        foreach ((string key, string value) in metadata.ToEntries()) model = model.WithMetadata(key, value);
        return model;
    }
}
