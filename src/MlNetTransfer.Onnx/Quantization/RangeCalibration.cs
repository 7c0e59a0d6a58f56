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
