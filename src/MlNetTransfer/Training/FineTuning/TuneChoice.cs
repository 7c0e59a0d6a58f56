namespace MlNetTransfer.Training;

/// <summary>What validation images chose in one training, for a second one that has none.</summary>
/// <param name="Epochs">Epochs to train for, over which the schedule then goes; 0 to keep the head fitted
/// before.</param>
/// <param name="Share">1 for the weights of the last of them; else how far they lie from those of the start towards
/// those.</param>
/// <param name="Temperature">What to divide the logits by.</param>
internal sealed record TuneChoice(int Epochs, float Share, double Temperature);
