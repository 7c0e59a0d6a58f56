namespace MlNetTransfer.Imaging.Augmentation.Operations;

/// <summary>
/// A square of RGB pixels in planar rows [Size × 3 × PlaneStride]: what a resizer leaves, changed in place.
/// </summary>
/// <param name="Pixels">The first sample.</param>
/// <param name="Size">Side in pixels.</param>
/// <param name="PlaneStride">Bytes of one channel of one row, at least <paramref name="Size"/>; those past it mean
/// nothing.</param>
internal readonly unsafe record struct PixelSquare(nint Pixels, int Size, int PlaneStride)
{
    /// <summary>Bytes of one row of three channels.</summary>
    public int RowStride => 3 * PlaneStride;

    /// <summary>Bytes of the whole square.</summary>
    public int Length => Size * RowStride;

    /// <summary>One channel of one row.</summary>
    public Span<byte> Row(int y, int channel) =>
        new((byte*)Pixels + ((nint)y * RowStride) + (channel * PlaneStride), Size);
}
