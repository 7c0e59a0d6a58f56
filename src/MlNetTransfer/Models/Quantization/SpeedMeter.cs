using MlNetTransfer.Backbones;

namespace MlNetTransfer.Models.Quantization;

/// <summary>Runs two graphs over the same tensors in turns, so that what else the machine does falls on both.</summary>
/// <param name="clock">Measures the time.</param>
internal sealed class SpeedMeter(TimeProvider clock)
{
    public SpeedRatio Run(
        ImageGraph single,
        ImageGraph int8,
        IReadOnlyList<float[]> tensors,
        int rounds,
        CancellationToken cancellation
    )
    {
        using ImageGraphWorker first = single.CreateWorker(),
            second = int8.CreateWorker();
        var row = new float[single.OutputWidth];
        var times = new List<(double Float, double Int8)>();
        // The first round only warms up.
        for (int round = 0; round <= rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            double a = 0,
                b = 0;
            foreach (float[] tensor in tensors)
            {
                a += Seconds(first, tensor, row);
                b += Seconds(second, tensor, row);
            }

            if (round > 0)
                times.Add((a / tensors.Count, b / tensors.Count));
        }

        double[] ratios = [.. times.Select(t => t.Float / t.Int8).Order()];
        return new SpeedRatio(
            1 / Median([.. times.Select(t => t.Float).Order()]),
            1 / Median([.. times.Select(t => t.Int8).Order()]),
            Median(ratios),
            ratios[0],
            ratios[^1],
            rounds
        );
    }

    private double Seconds(ImageGraphWorker worker, float[] tensor, float[] row)
    {
        long started = clock.GetTimestamp();
        worker.Run(tensor, row);
        return Math.Max(clock.GetElapsedTime(started).TotalSeconds, 1e-9);
    }

    private static double Median(double[] sorted) => (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
}
