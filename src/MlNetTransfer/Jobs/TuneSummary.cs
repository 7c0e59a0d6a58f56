using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>How the network of a written model was trained.</summary>
public sealed record TuneSummary
{
    /// <summary>Blocks of the backbone up to the taps.</summary>
    public required int Blocks { get; init; }

    /// <summary>Blocks, from the image on, that stayed as they were.</summary>
    public required int FrozenBlocks { get; init; }

    /// <summary>Epochs done.</summary>
    public required int Epochs { get; init; }

    /// <summary>The epoch whose weights were kept; 0 for the head fitted before the first.</summary>
    public required int BestEpoch { get; init; }

    /// <summary>
    /// 1 where the weights are that epoch's; below 1 they are (1 - share) · those of the start + share · those of the
    /// last epoch, which the validation images liked better.
    /// </summary>
    public required double Share { get; init; }

    /// <summary>Images that judged the epochs and calibrated the model.</summary>
    public required int ValidationImages { get; init; }

    /// <summary>
    /// Images of the second training, on all of them, whose weights were written; 0 where there was none.
    /// </summary>
    public required int RefitImages { get; init; }

    /// <summary>Why training ended before its last epoch; null where it did not.</summary>
    public required string? Ended { get; init; }

    /// <summary>The epochs of the written model.</summary>
    public required IReadOnlyList<EpochResult> Metrics { get; init; }

    internal static TuneSummary? Of(TunedModel? tuned, IReadOnlyList<EpochResult> metrics) =>
        tuned is null
            ? null
            : new TuneSummary
            {
                Blocks = tuned.Blocks,
                FrozenBlocks = tuned.FrozenBlocks,
                Epochs = tuned.Network.Epochs,
                BestEpoch = tuned.Network.BestEpoch,
                Share = tuned.Network.Share,
                ValidationImages = tuned.Network.ValidationRows,
                RefitImages = tuned.Network.RefitRows,
                Ended = tuned.Network.Ended,
                Metrics = [.. metrics.Where(m => m.Fold == 0)],
            };
}
