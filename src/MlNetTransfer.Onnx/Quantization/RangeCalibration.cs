namespace MlNetTransfer.Onnx.Quantization;

/// <summary>Chooses the range that a tensor is quantised for. Immutable; an invalid instance cannot be made.</summary>
public sealed record RangeCalibration
{
    /// <summary>How. Default <see cref="CalibrationMethod.MinMax"/>.</summary>
    public CalibrationMethod Method { get; init; } = CalibrationMethod.MinMax;

    /// <summary>
    /// With <see cref="CalibrationMethod.Percentile"/>: values kept in the range, in percent, in [50, 100]; half of the
    /// rest lies on each side. Default 99.99.
    /// </summary>
    public double Percentile
    {
        get;
        init =>
            field = value is >= 50 and <= 100
                ? value
                : throw new ArgumentOutOfRangeException(nameof(Percentile), value, "Percentile must be in [50, 100].");
    } = 99.99;

    /// <summary>The range for the values counted.</summary>
    /// <exception cref="GraphException">No value was counted.</exception>
    public ValueRange Of(ValueHistogram values) =>
        Method switch
        {
            CalibrationMethod.MinMax => values.Range,
            CalibrationMethod.Percentile => Quantiles(values),
            CalibrationMethod.Entropy => EntropyThreshold.Range(values),
            _ => throw new ArgumentOutOfRangeException(nameof(values), Method, "Unknown method."),
        };

    private ValueRange Quantiles(ValueHistogram values)
    {
        double outside = values.Count * (100 - Percentile) / 200;
        ValueRange all = values.Range;
        double low = Quantile(values, outside),
            high = -Quantile(values, outside, fromAbove: true);
        return new ValueRange((float)Math.Clamp(low, all.Low, all.High), (float)Math.Clamp(high, all.Low, all.High));
    }

    /// <summary>
    /// The value below which a number of values lies, spread evenly within a bin; from above, the negative of the value
    /// above which they lie.
    /// </summary>
    private static double Quantile(ValueHistogram values, double outside, bool fromAbove = false)
    {
        const int Side = ValueHistogram.Side;
        double below = 0;
        for (int i = 0; i < 2 * Side; i++)
        {
            if (i == Side)
            {
                if (below + values.Zeros > outside)
                    return 0;
                below += values.Zeros;
            }

            long count = values.Counts[fromAbove ? 2 * Side - 1 - i : i];
            if (below + count > outside)
                return (i - Side + (outside - below) / count) * values.Width;
            below += count;
        }

        return Side * values.Width;
    }
}

/// <summary>How the range of a tensor is chosen from the values it was seen to take.</summary>
public enum CalibrationMethod
{
    /// <summary>From the least to the greatest value. Nothing is clipped; one outlier makes all steps coarse.</summary>
    MinMax,

    /// <summary>Between two quantiles, so that a stated share of the values is kept.</summary>
    Percentile,

    /// <summary>
    /// Where the quantised distribution diverges least from the one seen (Migacz, 8-bit Inference with TensorRT, 2017).
    /// </summary>
    Entropy,
}

/// <summary>
/// The threshold at which a clipped and quantised distribution diverges least from the one seen: S. Migacz, 8-bit
/// Inference with TensorRT, 2017.
/// </summary>
/// <remarks>
/// The reference P is the first i bins with all that lies beyond added to the last; the candidate Q is the same bins
/// without it, put into <see cref="Levels"/> groups, each group's count spread evenly over those of its bins that are
/// not empty. The i with the least KL(P ‖ Q) is taken, of equal ones the smallest; the threshold is the upper edge of
/// its last bin. Exact zeros are left out, since every quantisation keeps them. Tensors with values of both signs are
/// judged by their size. Where Q is empty and P is not, which happens in the last bin only, i is passed over. Sums over
/// groups are kept, so that a tensor costs O(bins · levels).
/// </remarks>
internal static class EntropyThreshold
{
    /// <summary>Levels on one side of zero for tensors of both signs; those of one sign have twice as many.</summary>
    public const int Levels = 128;

    public static ValueRange Range(ValueHistogram values)
    {
        ValueRange all = values.Range;
        bool both = all.Low < 0 && all.High > 0;
        double threshold = Threshold(Sizes(values), both ? Levels : 2 * Levels) * values.Width;
        return new ValueRange((float)Math.Max(all.Low, -threshold), (float)Math.Min(all.High, threshold));
    }

    /// <summary>Counts by size [bins], the last of them not empty.</summary>
    private static long[] Sizes(ValueHistogram values)
    {
        const int Side = ValueHistogram.Side;
        var sizes = new long[Side];
        for (int i = 0; i < Side; i++)
            sizes[i] = values.Counts[Side + i] + values.Counts[Side - 1 - i];
        return sizes[..(Array.FindLastIndex(sizes, c => c > 0) + 1)];
    }

    /// <summary>The number of bins that are kept.</summary>
    /// <param name="counts">Counts by size [bins], the last not empty.</param>
    /// <param name="levels">Levels that the kept bins are put into.</param>
    public static int Threshold(ReadOnlySpan<long> counts, int levels)
    {
        if (counts.Length <= levels)
            return counts.Length;
        var sum = new long[counts.Length + 1];
        var filled = new int[counts.Length + 1];
        var information = new double[counts.Length + 1];
        for (int i = 0; i < counts.Length; i++)
        {
            sum[i + 1] = sum[i] + counts[i];
            filled[i + 1] = filled[i] + (counts[i] > 0 ? 1 : 0);
            information[i + 1] = information[i] + XLogX(counts[i]);
        }

        (int best, double least) = (counts.Length, double.PositiveInfinity);
        for (int kept = levels; kept <= counts.Length; kept++)
        {
            if (Divergence(counts, sum, filled, information, kept, levels) is var divergence && divergence < least)
                (best, least) = (kept, divergence);
        }

        return best;
    }

    /// <summary>KL(P ‖ Q) = Σ p·ln p - Σ p·ln q over the kept bins, where q is one number per group.</summary>
    private static double Divergence(
        ReadOnlySpan<long> counts,
        long[] sum,
        int[] filled,
        double[] information,
        int kept,
        int levels
    )
    {
        long total = sum[^1],
            inside = sum[kept],
            beyond = total - inside,
            last = counts[kept - 1];
        if (inside == 0 || (beyond > 0 && last == 0))
            return double.PositiveInfinity;
        double own = information[kept] - XLogX(last) + XLogX(last + beyond),
            cross = 0;
        for (int level = 0, start = 0; level < levels; level++)
        {
            int end = (int)((long)(level + 1) * kept / levels);
            long mass = sum[end] - sum[start];
            if (mass > 0)
                cross += (mass + (end == kept ? beyond : 0)) * Math.Log((double)mass / (filled[end] - filled[start]));
            start = end;
        }

        // With p = P / total and q = Q / inside.
        return (own - cross) / total + Math.Log((double)inside / total);
    }

    private static double XLogX(double x) => x > 0 ? x * Math.Log(x) : 0;
}

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

/// <summary>The values that a tensor is quantised for.</summary>
/// <param name="Low">Least value, included.</param>
/// <param name="High">Greatest value, included.</param>
public readonly record struct ValueRange(float Low, float High);

/// <summary>
/// How a tensor is kept in unsigned bytes: value = <see cref="Scale"/> · (byte - <see cref="ZeroPoint"/>), as ONNX's
/// QuantizeLinear and DequantizeLinear have it.
/// </summary>
/// <param name="Scale">Step between two neighbouring bytes; above 0.</param>
/// <param name="ZeroPoint">The byte that stands for 0.</param>
public readonly record struct AffineQuantization(float Scale, byte ZeroPoint)
{
    private const double FloatNormal = 1.17549435e-38;

    /// <summary>
    /// The finest steps that reach over a range. Zero is exact, since padding and rectified values are made of it: a
    /// range that does not hold zero is extended to it. scale = (high - low) / 255, zero point = round(-low / scale),
    /// halves to even. A range of nothing but zero has scale 1.
    /// </summary>
    /// <param name="range">The values to keep; those outside are clipped.</param>
    /// <exception cref="GraphException">The range is not finite or its ends are in the wrong order.</exception>
    public static AffineQuantization Of(ValueRange range)
    {
        if (!float.IsFinite(range.Low) || !float.IsFinite(range.High) || range.Low > range.High)
            throw new GraphException(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"Values from {range.Low} to {range.High} cannot be quantised; a finite range was expected. "
                        + $"Does the model give infinite or undefined values for the images it is calibrated on?"
                )
            );
        double low = Math.Min(range.Low, 0),
            high = Math.Max(range.High, 0),
            scale = (high - low) / byte.MaxValue;
        // Below the smallest normal number, kernels that flush denormals would divide by zero.
        if (scale < FloatNormal)
            return new AffineQuantization(1, 0);
        float step = (float)scale;
        return new AffineQuantization(
            step,
            (byte)Math.Clamp(Math.Round(-low / step, MidpointRounding.ToEven), 0, byte.MaxValue)
        );
    }

    /// <summary>The byte of a value: round(value / scale), halves to even, + zero point, clipped to [0, 255].</summary>
    public byte Quantize(float value) =>
        (byte)Math.Clamp(MathF.Round(value / Scale, MidpointRounding.ToEven) + ZeroPoint, 0, byte.MaxValue);

    /// <summary>The value of a byte.</summary>
    public float Dequantize(byte value) => Scale * (value - ZeroPoint);
}
