namespace MlNetTransfer.Heads;

/// <summary>How to fit a softmax head. Immutable; an invalid instance cannot be made.</summary>
public sealed record SoftmaxTrainerOptions
{
    /// <summary>
    /// L2 penalty on the weights of the standardised features, not on the biases; in [1e-8, 1e4]. Default null: chosen
    /// by cross-validation, with a factor on the logits.
    /// </summary>
    public double? L2
    {
        get;
        init => field = value is null ? null : Check.InRange(value.Value, 1e-8, 1e4, nameof(L2));
    }

    /// <summary>Folds for choosing <see cref="L2"/>, in [2, 20]; never more than rows. Default 5.</summary>
    public int Folds
    {
        get;
        init => field = Check.InRange(value, 2, 20, nameof(Folds));
    } = 5;

    /// <summary>Seed of the division into folds; nothing else is random. Default 0.</summary>
    public int Seed { get; init; }

    /// <summary>
    /// How much a training row of each class counts, in the fit and in choosing <see cref="L2"/>. Default
    /// <see cref="ClassWeights.None"/>.
    /// </summary>
    public ClassWeights ClassWeights
    {
        get;
        init =>
            field = Enum.IsDefined(value)
                ? value
                : throw new ArgumentOutOfRangeException(
                    nameof(ClassWeights),
                    value,
                    "ClassWeights must be None or Balanced."
                );
    }

    /// <summary>
    /// The fit stops when no component of the gradient is larger than this share of the largest one without weights (or
    /// than 2e-6, where float32 tells no more); in [1e-6, 0.1]. Default 5e-4: a tenth of it changed the held-out
    /// log-loss of four tasks by 0.0003 nats at most.
    /// </summary>
    public double Tolerance
    {
        get;
        init => field = Check.InRange(value, 1e-6, 0.1, nameof(Tolerance));
    } = 5e-4;

    /// <summary>Iterations of one fit at most, in [1, 100000]. Default 500.</summary>
    public int MaxIterations
    {
        get;
        init => field = Check.InRange(value, 1, 100_000, nameof(MaxIterations));
    } = 500;

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}
