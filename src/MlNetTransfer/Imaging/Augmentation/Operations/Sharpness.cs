namespace MlNetTransfer.Imaging.Augmentation.Operations;

/// <summary>
/// Blends with the smoothed image (ImageEnhance.Sharpness): ones around a five, over 13, edges as they are. Pillow's
/// bytes.
/// </summary>
internal static class Sharpness
{
    /// <param name="square">Changed in place.</param>
    /// <param name="copy">The same pixels.</param>
    /// <param name="factor">0 is smooth, 1 leaves the image as it is, 2 sharpens.</param>
    public static void Apply(PixelSquare square, PixelSquare copy, float factor)
    {
        for (int y = 1; y < square.Size - 1; y++)
        {
            for (int channel = 0; channel < 3; channel++)
                Row(
                    copy.Row(y - 1, channel),
                    copy.Row(y, channel),
                    copy.Row(y + 1, channel),
                    square.Row(y, channel),
                    factor
                );
        }
    }

    private static void Row(
        ReadOnlySpan<byte> above,
        ReadOnlySpan<byte> here,
        ReadOnlySpan<byte> below,
        Span<byte> output,
        float factor
    )
    {
        int before = above[0] + here[0] + below[0],
            column = above[1] + here[1] + below[1];
        for (int x = 1; x < here.Length - 1; x++)
        {
            int after = above[x + 1] + here[x + 1] + below[x + 1];
            int sum = before + column + after + (4 * here[x]);
            // Thirteenths are never halves, so the rounding needs no rule for ties.
            output[x] = Colours.Blend(((2 * sum) + 13) / 26, here[x], factor);
            (before, column) = (column, after);
        }
    }
}
