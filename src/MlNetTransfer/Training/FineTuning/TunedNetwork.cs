using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>What a training gave.</summary>
/// <param name="Weights">The backbone's weights that changed, by name.</param>
/// <param name="Head">The head, calibrated.</param>
/// <param name="Temperature">What its logits were divided by.</param>
/// <param name="BestEpoch">The epoch that the weights are of; 0 where no epoch was better than the head fitted
/// before.</param>
/// <param name="Share">1 where the weights are that epoch's; else they lie between those of the start and of the last
/// epoch, with this share of the latter.</param>
/// <param name="Epochs">Epochs done.</param>
/// <param name="ValidationRows">Images that judged the epochs.</param>
/// <param name="Ended">Why training ended before its last epoch; null where it did not.</param>
internal sealed record TunedNetwork(
    NetworkWeights Weights,
    LinearHead Head,
    double Temperature,
    int BestEpoch,
    float Share,
    int Epochs,
    int ValidationRows,
    string? Ended
)
{
    /// <summary>
    /// Images of the second training, on all of them, that the weights are of; 0 where there was none.
    /// </summary>
    public int RefitRows { get; init; }

    /// <summary>What the validation images chose.</summary>
    public TuneChoice Choice => new(BestEpoch, Share, Temperature);
}
