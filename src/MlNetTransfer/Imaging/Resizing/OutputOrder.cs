namespace MlNetTransfer.Imaging.Resizing;

/// <summary>
/// Which stored row and column of a resized square an upright output pixel comes from: EXIF orientation as a
/// permutation.
/// </summary>
/// <param name="Transposed">Whether upright rows are stored columns (orientations 5 to 8).</param>
/// <param name="FlippedX">Whether stored columns run against the upright axis they lie on.</param>
/// <param name="FlippedY">Whether stored rows run against the upright axis they lie on.</param>
internal readonly record struct OutputOrder(bool Transposed, bool FlippedX, bool FlippedY)
{
    /// <param name="orientation">EXIF orientation (tag 0x0112, EXIF 2.3 section 4.6.4), 1 to 8.</param>
    public static OutputOrder Of(int orientation) =>
        new(orientation is >= 5 and <= 8, orientation is 2 or 3 or 7 or 8, orientation is 3 or 4 or 6 or 7);

    /// <summary>
    /// The largest centred square of a stored image; where it cannot be centred exactly it lies towards the upright top
    /// left.
    /// </summary>
    public (int Left, int Top, int Side) CentredSquare(int width, int height)
    {
        int side = Math.Min(width, height);
        return (Offset(width - side, FlippedX), Offset(height - side, FlippedY), side);
    }

    private static int Offset(int slack, bool flipped) => flipped ? slack - (slack / 2) : slack / 2;
}
