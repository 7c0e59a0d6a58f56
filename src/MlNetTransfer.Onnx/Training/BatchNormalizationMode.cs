namespace MlNetTransfer.Onnx.Training;

/// <summary>Which statistics batch normalisation uses while training.</summary>
public enum BatchNormalizationMode
{
    /// <summary>
    /// The pretrained running statistics, which stay as they are: right for fine-tuning on few images, and each image
    /// counts for itself.
    /// </summary>
    Inference,

    /// <summary>
    /// Those of the batch, in the layers whose input or parameters depend on a trained parameter; their running
    /// statistics are updated as PyTorch does: new = 0.9 · old + 0.1 · batch, with the unbiased variance. Needs batches
    /// of 2 or more.
    /// </summary>
    Training,
}
