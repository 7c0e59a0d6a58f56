using System.Numerics;

namespace MlNetTransfer.Checks;

/// <summary>64 bits that say what a small grey image looks like: near for near images.</summary>
/// <remarks>
/// The discrete cosine transform of 32 x 32 shades (Zauner, Implementation and Benchmarking of Perceptual Image Hash
/// Functions, 2010): of its 64 lowest frequencies but the mean, counted along the diagonals, bit i says whether the
/// i-th is above their median. So it does not depend on brightness or contrast, and half of the bits are set.
/// </remarks>
internal static class PerceptualHash
{
    /// <summary>Side of the image in pixels.</summary>
    public const int Side = 32;

    private const int Bits = 64;

    private static readonly (int Down, int Across)[] Frequencies =
    [
        .. Enumerable
            .Range(1, Side)
            .SelectMany(sum => Enumerable.Range(0, sum + 1).Select(down => (down, sum - down)))
            .Take(Bits),
    ];

    private static readonly int Most = Frequencies.Max(f => Math.Max(f.Down, f.Across)) + 1;

    /// <summary>cos(π (2x + 1) u / 64), scaled to unit length [frequencies][32].</summary>
    private static readonly double[][] Waves =
    [
        .. Enumerable
            .Range(0, Most)
            .Select(u =>
                Enumerable
                    .Range(0, Side)
                    .Select(x => Math.Cos(Math.PI * (2 * x + 1) * u / (2 * Side)) * (u == 0 ? Math.Sqrt(0.5) : 1) / 4)
                    .ToArray()
            ),
    ];

    /// <summary>The hash.</summary>
    /// <param name="grey">Shades [32 × 32], rows from the top.</param>
    public static ulong Of(ReadOnlySpan<byte> grey)
    {
        double[] coefficients = Transform(grey),
            sorted = [.. coefficients.Order()];
        double median = (sorted[Bits / 2 - 1] + sorted[Bits / 2]) / 2;
        ulong hash = 0;
        for (int bit = 0; bit < Bits; bit++)
            if (coefficients[bit] > median)
                hash |= 1UL << bit;
        return hash;
    }

    /// <summary>Bits in which two hashes differ, 0 to 64.</summary>
    public static int Distance(ulong one, ulong other) => BitOperations.PopCount(one ^ other);

    private static double[] Transform(ReadOnlySpan<byte> grey)
    {
        var across = new double[Side][];
        for (int y = 0; y < Side; y++)
        {
            across[y] = new double[Most];
            for (int u = 0; u < Most; u++)
            for (int x = 0; x < Side; x++)
                across[y][u] += Waves[u][x] * grey[y * Side + x];
        }

        var found = new double[Bits];
        for (int i = 0; i < Bits; i++)
        for (int y = 0; y < Side; y++)
            found[i] += Waves[Frequencies[i].Down][y] * across[y][Frequencies[i].Across];
        return found;
    }
}
