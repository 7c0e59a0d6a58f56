namespace MlNetTransfer.Onnx.Training;

/// <summary>What a tensor that lives from step to step is.</summary>
internal enum StateRole
{
    /// <summary>A trained initializer.</summary>
    Parameter,

    /// <summary>State of the optimiser.</summary>
    Optimizer,

    /// <summary>The moving average of a parameter.</summary>
    Average,

    /// <summary>A running mean or variance of batch normalisation.</summary>
    Statistic,

    /// <summary>The sum of gradients over micro-batches; zero between steps.</summary>
    Accumulator,
}
