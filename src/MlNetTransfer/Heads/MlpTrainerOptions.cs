namespace MlNetTransfer.Heads;

/// <summary>How to fit a multi-layer perceptron. Immutable; an invalid instance cannot be made.</summary>
public sealed record MlpTrainerOptions
{
    /// <summary>Units of the hidden layer, in [1, 8192]. Default 128.</summary>
    public int Hidden
    {
        get;
        init => field = Check.InRange(value, 1, 8192, nameof(Hidden));
    } = 128;

    /// <summary>Share of the hidden units that is left out of each training step, in [0, 0.95]. Default 0.5.</summary>
    public double Dropout
    {
        get;
        init => field = Check.InRange(value, 0, 0.95, nameof(Dropout));
    } = 0.5;

    /// <summary>Learning rate of AdamW, in [1e-7, 1]. Default 1e-3.</summary>
    public double LearningRate
    {
        get;
        init => field = Check.InRange(value, 1e-7, 1, nameof(LearningRate));
    } = 1e-3;

    /// <summary>
    /// Decoupled weight decay: each step shrinks the weights (not the biases) by learning rate · this; in [0, 100].
    /// Default 0.1.
    /// </summary>
    public double WeightDecay
    {
        get;
        init => field = Check.InRange(value, 0, 100, nameof(WeightDecay));
    } = 0.1;

    /// <summary>Rows per step, in [1, 65536]. Default 32.</summary>
    public int BatchSize
    {
        get;
        init => field = Check.InRange(value, 1, 65_536, nameof(BatchSize));
    } = 32;

    /// <summary>Passes over the training part at most, in [1, 100000]. Default 100.</summary>
    public int MaxEpochs
    {
        get;
        init => field = Check.InRange(value, 1, 100_000, nameof(MaxEpochs));
    } = 100;

    /// <summary>Epochs without a lower validation loss after which the fit ends, in [1, 100000]. Default 8.</summary>
    public int Patience
    {
        get;
        init => field = Check.InRange(value, 1, 100_000, nameof(Patience));
    } = 8;

    /// <summary>Share of each class that only decides when to stop, in [0.01, 0.5]. Default 0.15.</summary>
    public double ValidationFraction
    {
        get;
        init => field = Check.InRange(value, 0.01, 0.5, nameof(ValidationFraction));
    } = 0.15;

    /// <summary>
    /// Seed of the validation part, the first weights, the order of the rows and the dropout. Default 0.
    /// </summary>
    public int Seed { get; init; }

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}
