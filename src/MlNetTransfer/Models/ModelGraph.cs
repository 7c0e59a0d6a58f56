using MlNetTransfer.Features;
using MlNetTransfer.Graphs;
using MlNetTransfer.Graphs.Onnx;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Models;

/// <summary>Puts a linear head on a feature graph: logits = features · Wᵀ + b, probabilities = softmax(logits), label = the likeliest class.</summary>
public static class ModelGraph
{
    /// <summary>Builds the whole model.</summary>
    /// <param name="features">The graph from image to features; see <see cref="FeatureGraph"/>.</param>
    /// <param name="head">The head; as wide as the features.</param>
    /// <param name="metadata">What the file says of itself.</param>
    /// <returns>Image [N, 3, H, W] to probabilities [N × classes] and label [N].</returns>
    public static OnnxModel Build(OnnxModel features, ILinearHead head, ModelMetadata metadata)
    {
        const string row = FeatureGraph.Output;
        OnnxModel model = features.WithFreeName(TransferModel.ProbabilitiesOutput).Model.WithFreeName(TransferModel.LabelOutput).Model;
        string weights = model.UniqueName("head.weight"), bias = model.UniqueName("head.bias"), logits = model.UniqueName("logits");
        TensorProto[] initializers =
        [
            TensorData.Floats(weights, head.Weights.Span, head.ClassNames.Count, head.Width),
            TensorData.Floats(bias, head.Bias.Span, head.ClassNames.Count),
        ];
        NodeProto[] nodes =
        [
            new() { OpType = "Gemm", Name = logits, Input = { row, weights, bias }, Output = { logits }, Attribute = { Attributes.Of("transB", 1) } },
            new() { OpType = "Softmax", Name = TransferModel.ProbabilitiesOutput, Input = { logits }, Output = { TransferModel.ProbabilitiesOutput }, Attribute = { Attributes.Of("axis", 1) } },
            new() { OpType = "ArgMax", Name = TransferModel.LabelOutput, Input = { logits }, Output = { TransferModel.LabelOutput }, Attribute = { Attributes.Of("axis", 1), Attributes.Of("keepdims", 0) } },
        ];
        model = model.Append(nodes, initializers).CutAt(TransferModel.ProbabilitiesOutput, TransferModel.LabelOutput);
        foreach ((string key, string value) in metadata.ToEntries()) model = model.WithMetadata(key, value);
        return model;
    }
}
