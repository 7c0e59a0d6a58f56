using Microsoft.ML.Data;

namespace MlNetTransfer;

/// <summary>A row with a preprocessed image.</summary>
internal sealed class TensorRow
{
    public VBuffer<float> Tensor { get; set; }
}
