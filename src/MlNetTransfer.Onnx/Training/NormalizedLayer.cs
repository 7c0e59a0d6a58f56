using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Training;

/// <summary>A batch normalisation that uses the statistics of the batch.</summary>
/// <param name="Input">The tensor that is normalised.</param>
/// <param name="Mean">Running mean [channels].</param>
/// <param name="Variance">Running variance [channels].</param>
/// <param name="BatchMean">Tensor of the mean of the batch.</param>
/// <param name="BatchVariance">Tensor of its variance, not corrected for the mean.</param>
/// <param name="Keep">Share of the old statistics that is kept: 0.9 in PyTorch, which calls 0.1 the momentum.</param>
internal sealed record NormalizedLayer(
    string Input,
    TensorProto Mean,
    TensorProto Variance,
    string BatchMean,
    string BatchVariance,
    float Keep
);
