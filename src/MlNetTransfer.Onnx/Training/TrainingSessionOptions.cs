namespace MlNetTransfer.Onnx.Training;

/// <summary>How training steps are run. Immutable; an invalid instance cannot be made.</summary>
public sealed record TrainingSessionOptions
{
    /// <summary>
    /// Threads of a step, 1 to 1024; null for one per core. The bytes that come out may depend on it.
    /// </summary>
    public int? Threads
    {
        get;
        init => field = value is { } threads ? (int)Range.Check(threads, 1, 1024) : null;
    }

    /// <summary>
    /// Images worked on at a time, 1 or more; null for the whole batch. Smaller micro-batches need less memory and give
    /// the same step but for rounding, as long as batch normalisation uses its running statistics.
    /// </summary>
    public int? MicroBatch
    {
        get;
        init => field = value is { } size ? (int)Range.Check(size, 1, int.MaxValue) : null;
    }

    /// <summary>Seed of the dropout masks. Default 0.</summary>
    public int Seed { get; init; }
}
