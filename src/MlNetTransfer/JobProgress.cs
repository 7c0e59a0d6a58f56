namespace MlNetTransfer;

/// <summary>How far a stage of long work is.</summary>
/// <param name="Stage">What is being done, fit for a progress bar, e.g. "extracting features".</param>
/// <param name="Done">Units done.</param>
/// <param name="Total">Units in all; 0 where it is not known.</param>
public readonly record struct JobProgress(string Stage, long Done, long Total)
{
    /// <summary>Figures of the moment, fit to stand beside a progress bar; null where there are none.</summary>
    public string? Detail { get; init; }
}
