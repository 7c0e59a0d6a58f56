namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// What a training step minimises: Σ row weight · loss of the row, from logits [N, C] and targets [N, C].
/// </summary>
public enum TrainingLoss
{
    /// <summary>Cross-entropy with soft targets, -Σ target · log softmax(logits) in nats, over the classes.</summary>
    CrossEntropy,

    /// <summary>
    /// Binary cross-entropy of each column with targets in [0, 1], from logits, in nats; mean over the columns.
    /// </summary>
    BinaryCrossEntropy,

    /// <summary>Squared error, mean over the columns.</summary>
    MeanSquaredError,
}
