namespace MlNetTransfer.Heads;

/// <summary>
/// A head whose probabilities are softmax(W·x + b) of the raw features x: one Gemm and one Softmax in ONNX.
/// </summary>
public interface ILinearHead : IHead
{
    /// <summary>W [classes × width], row-major; all scaling of the features is folded in.</summary>
    ReadOnlyMemory<float> Weights { get; }

    /// <summary>b [classes].</summary>
    ReadOnlyMemory<float> Bias { get; }
}
