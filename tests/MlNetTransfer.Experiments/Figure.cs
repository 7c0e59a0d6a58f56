using System.Globalization;
using System.Text.Json.Serialization;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Experiments;

/// <summary>A number with what is known of its spread.</summary>
/// <param name="Value">The number, or the mean of several.</param>
internal sealed record Figure(double Value)
{
    /// <summary>Of the values that this is the mean of; null for a single value.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? StandardDeviation { get; init; }

    /// <summary>Of the mean.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? StandardError { get; init; }

    /// <summary>What the value lies in: a 95 % interval, or the least and the most of several rounds.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Interval? Interval { get; init; }

    /// <summary>Mean and standard deviation of some values (of the sample, n - 1).</summary>
    public static Figure OfSample(IReadOnlyList<double> values) =>
        new(values.Average()) { StandardDeviation = values.Count > 1 ? Deviation(values) : null };

    /// <summary>Mean of some values and its standard error.</summary>
    public static Figure OfDraws(IReadOnlyList<double> values) =>
        new(values.Average()) { StandardError = values.Count > 1 ? Deviation(values) / Math.Sqrt(values.Count) : null };

    /// <summary>As text, e.g. "93.1 ± 1.2 (91.0 to 94.8)".</summary>
    public string Show(double scale, string format)
    {
        string text = Number(Value);
        if ((StandardDeviation ?? StandardError) is { } spread)
            text += " ± " + Number(spread);
        return Interval is { } interval ? $"{text} ({Number(interval.Low)} to {Number(interval.High)})" : text;

        string Number(double value) => (scale * value).ToString(format, CultureInfo.InvariantCulture);
    }

    private static double Deviation(IReadOnlyList<double> values)
    {
        double mean = values.Average();
        return Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Count - 1));
    }
}
