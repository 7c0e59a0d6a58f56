namespace MlNetTransfer.Datasets;

/// <summary>An image behind a stream that is opened when the image is needed.</summary>
/// <param name="Open">Opens the stream; called once per reading, from any thread. The stream is read to its end, or to
/// one byte past the limit, and disposed.</param>
public sealed record StreamLocation(Func<Stream> Open) : ImageLocation;
