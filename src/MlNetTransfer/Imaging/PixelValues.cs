namespace MlNetTransfer.Imaging;

/// <summary>
/// What each 8-bit sample becomes in a tensor: a table, so that every value is the correctly rounded formula of
/// <see cref="Preprocessing"/>.
/// </summary>
internal static class PixelValues
{
    /// <summary>(sample / 255 - mean) / std [3 × 256], channels in RGB order.</summary>
    public static float[] Table(ChannelValues mean, ChannelValues std)
    {
        var table = new float[3 * 256];
        for (int i = 0; i < 256; i++)
        {
            table[i] = ((i / 255f) - mean.Red) / std.Red;
            table[256 + i] = ((i / 255f) - mean.Green) / std.Green;
            table[512 + i] = ((i / 255f) - mean.Blue) / std.Blue;
        }

        return table;
    }
}
