namespace MlNetTransfer.Datasets;

/// <summary>A line of the ledger: an image that was not used, and why. No image is ever dropped without one.</summary>
/// <param name="File">The image's name in its data set.</param>
/// <param name="Reason">Why it was rejected, in one line.</param>
public sealed record RejectedImage(string File, string Reason);
