using MlNetTransfer.Imaging;

namespace MlNetTransfer.Datasets;

/// <summary>
/// An image that is decoded already. It is resized and normalised exactly as a file of the same pixels would be.
/// </summary>
/// <param name="Image">The pixels.</param>
public sealed record PixelsLocation(RgbImage Image) : ImageLocation;
