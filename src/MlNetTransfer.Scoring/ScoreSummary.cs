namespace MlNetTransfer.Scoring;

/// <summary>What became of a batch.</summary>
public sealed record ScoreSummary
{
    /// <summary>Where the rows are.</summary>
    public required string Output { get; init; }

    /// <summary>Rows of the whole output: one for every input.</summary>
    public required long Rows { get; init; }

    /// <summary>Rows that have an error instead of a prediction.</summary>
    public required long Rejected { get; init; }

    /// <summary>Rows that an earlier, interrupted run had written.</summary>
    public required long FromBefore { get; init; }

    /// <summary>The first rejected inputs of this run, and why; ten at most.</summary>
    public required IReadOnlyList<Datasets.RejectedItem> FirstRejected { get; init; }

    /// <summary>Whether the output had been complete before, so that nothing was left to do.</summary>
    public bool WasComplete { get; init; }

    /// <summary>Inputs per second of this run, reading and writing included.</summary>
    public required double ImagesPerSecond { get; init; }

    /// <summary>Wall time of this run in seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>
    /// The part of the multiply-adds that a run of its own for each model would have taken and this one did not, in [0,
    /// 1): 0 for one model, near a half for two heads on one network; null where they cannot be counted.
    /// </summary>
    public double? Saved { get; init; }

    /// <summary>SHA-256 of the model file, hexadecimal.</summary>
    public required string ModelSha256 { get; init; }
}
