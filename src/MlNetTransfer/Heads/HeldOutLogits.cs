namespace MlNetTransfer.Heads;

/// <summary>
/// Logits of rows that the models which made them were not fitted on: what a penalty and the logits' scale are judged
/// by.
/// </summary>
/// <param name="classes">Number of classes.</param>
internal sealed class HeldOutLogits(int classes)
{
    private readonly List<float> logits = [];
    private readonly List<(int Label, double Weight)> rows = [];

    /// <summary>Number of rows.</summary>
    public int Rows => rows.Count;

    public void Add(ReadOnlySpan<float> row, int label, double weight)
    {
        logits.AddRange(row);
        rows.Add((label, weight));
    }

    /// <summary>
    /// The factor s in [low, high] that minimises the mean log-loss of softmax(s·logits): temperature scaling (Guo et
    /// al., 2017). The loss is convex in s; Newton's method, kept within the bracket that the slopes' signs leave.
    /// </summary>
    public double Scale(double low = 0.01, double high = 100)
    {
        double s = Math.Clamp(1, low, high);
        for (int i = 0; i < 50 && high - low > 1e-6 * s; i++)
        {
            (double slope, double curvature) = Slopes(s);
            if (slope > 0)
                high = s;
            else
                low = s;
            double next = s - slope / curvature;
            if (Math.Abs(next - s) < 1e-6 * s)
                break;
            s = next > low && next < high ? next : Math.Sqrt(low * high);
        }

        return s;
    }

    /// <summary>
    /// <see cref="Scale"/> within bounds that suit logits of any size: never so small that the highest logit of a row
    /// is, in the root mean square, less than 0.1 above the row's mean. Rows that cannot be told apart at all would
    /// otherwise flatten the probabilities until float32 loses their order.
    /// </summary>
    public double Temper()
    {
        double squares = 0;
        for (int i = 0; i < rows.Count; i++)
        {
            double sum = 0,
                top = double.NegativeInfinity;
            int known = 0;
            foreach (float z in Row(i))
            {
                if (z <= OutOfFoldPredictions.Unknown)
                    continue;
                (sum, top, known) = (sum + z, Math.Max(top, z), known + 1);
            }

            squares += Math.Pow(top - sum / known, 2);
        }

        double spread = Math.Sqrt(squares / rows.Count);
        return spread > 0
            ? Scale(
                Math.Clamp(0.1 / spread, 1 / TemperatureCalibration.Highest, 1 / TemperatureCalibration.Lowest),
                1 / TemperatureCalibration.Lowest
            )
            : 1;
    }

    /// <summary>
    /// Weighted mean log-loss and accuracy of softmax(scale·logits), and the loss's standard error √(Σ w²(loss -
    /// mean)²) / Σ w.
    /// </summary>
    public L2Trial Judge(double l2, double scale)
    {
        double weight = 0,
            loss = 0,
            hits = 0,
            squares = 0;
        var losses = new double[rows.Count];
        for (int i = 0; i < losses.Length; i++)
        {
            ReadOnlySpan<float> z = Row(i);
            (int label, double w) = rows[i];
            (losses[i], bool hit) = Loss(z, label, scale);
            weight += w;
            loss += w * losses[i];
            if (hit)
                hits += w;
        }

        for (int i = 0; i < losses.Length; i++)
            squares += Math.Pow(rows[i].Weight * (losses[i] - loss / weight), 2);
        return new L2Trial(l2, scale, loss / weight, hits / weight, Math.Sqrt(squares) / weight);
    }

    /// <summary>Log-loss of softmax(scale·logits) of each row (nats).</summary>
    public double[] Losses(double scale) =>
        [.. Enumerable.Range(0, rows.Count).Select(i => Loss(Row(i), rows[i].Label, scale).Loss)];

    private static (double Loss, bool Hit) Loss(ReadOnlySpan<float> z, int label, double scale)
    {
        int best = 0;
        double sum = 0;
        for (int c = 1; c < z.Length; c++)
            if (z[c] > z[best])
                best = c;
        foreach (float logit in z)
            sum += Math.Exp(scale * (logit - z[best]));
        return (Math.Log(sum) - scale * (z[label] - z[best]), label == best);
    }

    // d/ds of the loss is E[z] - z(true) under softmax(s·z), its derivative the variance of z.
    private (double Slope, double Curvature) Slopes(double s)
    {
        double slope = 0,
            curvature = 1e-12;
        for (int i = 0; i < rows.Count; i++)
        {
            ReadOnlySpan<float> z = Row(i);
            (int label, double w) = rows[i];
            float top = z[0];
            foreach (float logit in z)
                top = MathF.Max(top, logit);
            double sum = 0,
                first = 0,
                second = 0;
            foreach (float logit in z)
            {
                double below = logit - top,
                    e = MathF.Exp((float)(s * below));
                sum += e;
                first += e * below;
                second += e * below * below;
            }

            first /= sum;
            slope += w * (first - (z[label] - top));
            curvature += w * (second / sum - first * first);
        }

        return (slope, curvature);
    }

    private ReadOnlySpan<float> Row(int i) =>
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(logits).Slice(i * classes, classes);
}
