namespace MlNetTransfer;

/// <summary>
/// A transformer that takes all cores by itself: several of it at once would only be in each other's way.
/// </summary>
internal interface IRunsInParallel;
