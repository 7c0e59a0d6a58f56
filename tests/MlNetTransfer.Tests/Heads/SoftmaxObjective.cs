using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

/// <summary>
/// The documented objective, written out in double with loops: mean cross-entropy + L2/2·‖W‖² on standardised features.
/// </summary>
internal sealed class SoftmaxObjective
{
    private readonly FeatureTable table;
    private readonly double l2;
    private readonly double[] mean,
        sd;

    public SoftmaxObjective(FeatureTable table, double l2)
    {
        (this.table, this.l2) = (table, l2);
        mean =
        [
            .. Enumerable
                .Range(0, table.Width)
                .Select(j => Enumerable.Range(0, table.Rows).Average(i => (double)table.Row(i)[j])),
        ];
        sd =
        [
            .. Enumerable
                .Range(0, table.Width)
                .Select(j =>
                    Math.Sqrt(Enumerable.Range(0, table.Rows).Average(i => Math.Pow(table.Row(i)[j] - mean[j], 2)))
                ),
        ];
    }

    /// <summary>
    /// The head's weights as weights of standardised features [classes × (width + 1)], the bias last.
    /// </summary>
    public double[] Standardise(SoftmaxHead head)
    {
        int width = head.Width;
        return
        [
            .. Enumerable
                .Range(0, table.Classes)
                .SelectMany(c =>
                {
                    float[] w = head.Weights.Slice(c * width, width).ToArray();
                    return w.Select((value, j) => value * sd[j])
                        .Append(head.Bias.Span[c] + w.Select((value, j) => value * mean[j]).Sum());
                }),
        ];
    }

    public double Value(double[] point)
    {
        int width = table.Width;
        double loss = 0,
            squares = point.Where((_, i) => i % (width + 1) < width).Sum(w => w * w);
        for (int i = 0; i < table.Rows; i++)
        {
            float[] x = table.Row(i).ToArray();
            double[] z =
            [
                .. Enumerable
                    .Range(0, table.Classes)
                    .Select(c =>
                        x.Select((v, j) => point[c * (width + 1) + j] * (v - mean[j]) / sd[j]).Sum()
                        + point[c * (width + 1) + width]
                    ),
            ];
            loss += Math.Log(z.Sum(v => Math.Exp(v - z.Max()))) + z.Max() - z[table.Labels[i]];
        }

        return loss / table.Rows + l2 / 2 * squares;
    }

    public double Difference(double[] point, int component, double step)
    {
        double[] up = [.. point],
            down = [.. point];
        up[component] += step;
        down[component] -= step;
        return (Value(up) - Value(down)) / (2 * step);
    }
}
