namespace MlNetTransfer.Onnx.Quantization;

/// <summary>
/// Counts the values of a tensor in bins of equal width while the range is still unknown: the width is a power of two
/// that doubles as larger values come, two bins becoming one. The result depends on the values alone, never on their
/// order or on how they were divided among histograms that are merged. Not thread-safe.
/// </summary>
public sealed class ValueHistogram
{
    /// <summary>Bins on each side of zero; the larger side uses more than half of them.</summary>
    public const int Side = 2048;

    // Finer bins than the smallest normal number tell nothing apart.
    private const int LeastExponent = -126;

    private float low = float.PositiveInfinity,
        high = float.NegativeInfinity;
    private long[] counts = new long[2 * Side];
    private int exponent = LeastExponent;

    /// <summary>Values counted, exact zeros included.</summary>
    public long Count { get; private set; }

    /// <summary>
    /// Values that are exactly zero; they are in no bin, since every quantisation keeps them exactly.
    /// </summary>
    public long Zeros { get; private set; }

    /// <summary>The least and the greatest value.</summary>
    /// <exception cref="GraphException">No value was counted.</exception>
    public ValueRange Range =>
        Count > 0
            ? new ValueRange(low, high)
            : throw new GraphException("No value was counted, so there is no range. Calibrate on at least one image.");

    /// <summary>Width of a bin, a power of two.</summary>
    public double Width => Math.ScaleB(1, exponent);

    /// <summary>
    /// Counts [2 · <see cref="Side"/>]: bin i holds values in [(i - Side) · width, (i + 1 - Side) · width).
    /// </summary>
    public ReadOnlySpan<long> Counts => counts;

    /// <summary>Counts values.</summary>
    /// <exception cref="GraphException">A value is not finite.</exception>
    public void Add(ReadOnlySpan<float> values)
    {
        float least = low,
            most = high;
        foreach (float value in values)
        {
            if (!float.IsFinite(value))
                throw new GraphException(
                    string.Create(
                        System.Globalization.CultureInfo.InvariantCulture,
                        $"A value is {value}; a finite number was expected. Does the model give infinite or "
                            + $"undefined values for the images it is calibrated on?"
                    )
                );
            if (value < least)
                least = value;
            if (value > most)
                most = value;
        }

        (low, high) = (least, most);
        Count += values.Length;
        Reach();
        // A power of two divides without rounding, so that a value is always in the same bin.
        double inverse = Math.ScaleB(1, -exponent);
        long zeros = 0;
        foreach (float value in values)
        {
            if (value == 0)
                zeros++;
            else
                counts[(int)Math.Floor(value * inverse) + Side]++;
        }

        Zeros += zeros;
    }

    /// <summary>Adds the counts of another histogram, which stays as it is.</summary>
    public void Merge(ValueHistogram other)
    {
        if (other.Count == 0)
            return;
        (low, high) = (Math.Min(low, other.low), Math.Max(high, other.high));
        Count += other.Count;
        Zeros += other.Zeros;
        Reach();
        int shift = Math.Min(exponent - other.exponent, 31);
        for (int i = 0; i < other.counts.Length; i++)
            counts[((i - Side) >> shift) + Side] += other.counts[i];
    }

    /// <summary>Doubles the width until the least and the greatest value have a bin.</summary>
    private void Reach()
    {
        int needed = exponent;
        while (Math.Floor(Math.ScaleB(low, -needed)) < -Side || Math.Floor(Math.ScaleB(high, -needed)) >= Side)
            needed++;
        if (needed == exponent)
            return;
        var wider = new long[counts.Length];
        // Past 31 doublings every bin is one of the two beside zero, and C# would take the shift modulo 32.
        int shift = Math.Min(needed - exponent, 31);
        for (int i = 0; i < counts.Length; i++)
            wider[((i - Side) >> shift) + Side] += counts[i];
        (counts, exponent) = (wider, needed);
    }
}
