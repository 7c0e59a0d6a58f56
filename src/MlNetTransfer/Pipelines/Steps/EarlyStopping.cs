namespace MlNetTransfer.Pipelines;

/// <summary>When a fit in epochs ends before its last.</summary>
public sealed record EarlyStopping
{
    /// <summary>Epochs without a lower validation loss after which the fit ends, in [1, 100000]. Default 8. The weights of the best epoch are kept.</summary>
    public int Patience { get; init => field = Check.InRange(value, 1, 100_000); } = 8;
}
