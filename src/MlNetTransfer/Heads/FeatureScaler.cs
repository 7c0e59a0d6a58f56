using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>
/// Standardises features: (x - mean) / sd over the rows it was made from, sd with divisor n. A constant feature (sd no
/// larger than float32's rounding of the mean) has scale 0, so that its weight stays exactly 0. With damping d the
/// divisor is √(sd² + d·mean of all sd²): features that hardly vary, of which few rows say little, are not blown up to
/// the size of the others. Where the features of several networks stand side by side, each network is damped by itself,
/// and then multiplied by one number, so that it has the same share of a squared distance whatever its width; the sum
/// over all stays what it was.
/// </summary>
internal sealed class FeatureScaler
{
    private const int Slice = 64;
    private readonly double[] mean,
        scale;

    public FeatureScaler(FeatureTable table, ParallelOptions parallel, double damping = 0)
    {
        mean = new double[table.Width];
        scale = new double[table.Width];
        Parallel.For(
            0,
            (table.Width + Slice - 1) / Slice,
            parallel,
            slice => Measure(table, slice * Slice, Math.Min(Slice, table.Width - slice * Slice))
        );
        IReadOnlyList<int> networks = table.Networks ?? [table.Width];
        double[] deviation = [.. scale.Select(value => value > 0 ? 1 / value : 0)];
        if (damping > 0)
            ForEach(networks, (start, width) => Damp(scale.AsSpan(start, width), damping));
        if (networks.Count > 1)
            Weigh(networks, deviation);
    }

    /// <summary>Mean of each feature [width].</summary>
    public ReadOnlySpan<double> Mean => mean;

    /// <summary>1 / divisor of each feature [width]; 0 where it is constant.</summary>
    public ReadOnlySpan<double> Scale => scale;

    /// <summary>Writes the standardised row.</summary>
    public void Apply(ReadOnlySpan<float> row, Span<float> target)
    {
        for (int i = 0; i < row.Length; i++)
            target[i] = (float)((row[i] - mean[i]) * scale[i]);
    }

    /// <summary>Turns weights of standardised features into weights of raw ones: W/sd, and b - W/sd·mean.</summary>
    /// <param name="weights">W [classes × width]; overwritten.</param>
    /// <param name="bias">b [classes]; overwritten.</param>
    public void FoldInto(Span<float> weights, Span<float> bias)
    {
        int width = mean.Length;
        for (int c = 0; c < bias.Length; c++)
        {
            double shift = 0;
            Span<float> row = weights.Slice(c * width, width);
            for (int i = 0; i < width; i++)
            {
                row[i] = (float)(row[i] * scale[i]);
                shift += row[i] * mean[i];
            }

            bias[c] = (float)(bias[c] - shift);
        }
    }

    private static void Damp(Span<double> scale, double damping)
    {
        double extra = 0;
        foreach (double value in scale)
            extra += value > 0 ? 1 / (value * value) : 0;
        extra *= damping / scale.Length;
        foreach (ref double value in scale)
            if (value > 0)
                value = 1 / Math.Sqrt(1 / (value * value) + extra);
    }

    /// <summary>Gives each network the same share of the sum of all variances.</summary>
    private void Weigh(IReadOnlyList<int> networks, double[] deviation)
    {
        var lengths = new List<double>();
        ForEach(
            networks,
            (start, width) => lengths.Add(Enumerable.Range(start, width).Sum(i => Math.Pow(deviation[i] * scale[i], 2)))
        );
        double share = lengths.Sum() / networks.Count;
        int network = 0;
        ForEach(
            networks,
            (start, width) =>
            {
                double length = lengths[network++],
                    weight = length > 0 ? Math.Sqrt(share / length) : 1;
                foreach (ref double value in scale.AsSpan(start, width))
                    value *= weight;
            }
        );
    }

    private static void ForEach(IReadOnlyList<int> networks, Action<int, int> visit)
    {
        int start = 0;
        foreach (int width in networks)
        {
            visit(start, width);
            start += width;
        }
    }

    private void Measure(FeatureTable table, int start, int count)
    {
        Span<double> sum = mean.AsSpan(start, count),
            squares = scale.AsSpan(start, count);
        for (int r = 0; r < table.Rows; r++)
        {
            ReadOnlySpan<float> row = table.Row(r).Slice(start, count);
            for (int i = 0; i < sum.Length && i < row.Length; i++)
                sum[i] += row[i];
        }

        foreach (ref double value in sum)
            value /= table.Rows;
        for (int r = 0; r < table.Rows; r++)
        {
            ReadOnlySpan<float> row = table.Row(r).Slice(start, count);
            for (int i = 0; i < sum.Length && i < row.Length; i++)
                squares[i] += (row[i] - sum[i]) * (row[i] - sum[i]);
        }

        for (int i = 0; i < count; i++)
        {
            double sd = Math.Sqrt(squares[i] / table.Rows);
            squares[i] = sd > 1e-7 * Math.Abs(sum[i]) ? 1 / sd : 0;
        }
    }
}
