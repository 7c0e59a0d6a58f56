using System.Globalization;
using MlNetTransfer.Onnx.Quantization;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests.Quantization;

[TestClass]
public sealed class RangeCalibrationTests
{
    /// <summary>The algorithm of Migacz's slides, written out bin by bin in NumPy with no running sums.</summary>
    private const string Slides = """
        import numpy as np
        def threshold(counts, levels):
            best, least = None, np.inf
            for i in range(levels, len(counts) + 1):
                reference = counts[:i].copy(); reference[-1] += counts[i:].sum()
                groups = [counts[l * i // levels:(l + 1) * i // levels] for l in range(levels)]
                candidate = np.concatenate([np.where(g > 0, g.sum() / max(1, (g > 0).sum()), 0) for g in groups])
                if candidate.sum() == 0: continue
                p, q = reference / reference.sum(), candidate / candidate.sum()
                if np.any((p > 0) & (q == 0)): continue
                on = p > 0
                kl = np.sum(p[on] * np.log(p[on] / q[on]))
                if kl < least - 1e-12: best, least = i, kl
            return best

        """;

    [TestMethod]
    public void Of_MinMax_IsLeastAndGreatest() =>
        Assert.AreEqual(new ValueRange(-3, 7), new RangeCalibration().Of(Histogram([1, -3, 7, 0])));

    /// <summary>Oracle: the sorted values; the histogram blurs them by a bin.</summary>
    [TestMethod]
    [DataRow(50)]
    [DataRow(98)]
    [DataRow(99.9)]
    public void Of_Percentile_LeavesHalfOfTheRestOnEachSide(double percentile)
    {
        float[] values = [.. Bell(20000, 1, 0.5f).Order()];
        ValueHistogram histogram = Histogram(values);
        ValueRange found = new RangeCalibration { Method = CalibrationMethod.Percentile, Percentile = percentile }.Of(
            histogram
        );
        int outside = (int)Math.Round(values.Length * (100 - percentile) / 200);
        Assert.IsTrue(
            found.Low >= values[outside - 1] - histogram.Width && found.Low <= values[outside] + histogram.Width,
            $"{found.Low} is not at {values[outside]}"
        );
        Assert.IsTrue(
            found.High <= values[^outside] + histogram.Width && found.High >= values[^(outside + 1)] - histogram.Width,
            $"{found.High} is not at {values[^outside]}"
        );
    }

    [TestMethod]
    public void Of_PercentileOfUniform_IsTheClosedForm()
    {
        float[] values = [.. Enumerable.Range(0, 100_000).Select(i => (i + 0.5f) / 100_000)];
        ValueRange found = new RangeCalibration { Method = CalibrationMethod.Percentile, Percentile = 90 }.Of(
            Histogram(values)
        );
        Assert.AreEqual(0.05, found.Low, 1e-4, "within a bin the values are taken to be spread evenly, as they are");
        Assert.AreEqual(0.95, found.High, 1e-4);
    }

    [TestMethod]
    public void Of_PercentileOfRectified_StartsAtZero()
    {
        float[] values = [.. Bell(10000, 2, 0).Select(v => Math.Max(v, 0))];
        Assert.AreEqual(
            0f,
            new RangeCalibration { Method = CalibrationMethod.Percentile, Percentile = 99 }
                .Of(Histogram(values))
                .Low
        );
        Assert.AreEqual(
            0f,
            new RangeCalibration { Method = CalibrationMethod.Percentile, Percentile = 99 }
                .Of(Histogram([.. values.Select(v => -v)]))
                .High
        );
    }

    [TestMethod]
    public void Of_PercentileWithinTheZeros_IsZero()
    {
        float[] values = [-1, .. new float[9998], 1];
        Assert.AreEqual(
            new ValueRange(0, 0),
            new RangeCalibration { Method = CalibrationMethod.Percentile, Percentile = 99.9 }.Of(Histogram(values))
        );
    }

    /// <summary>
    /// Oracle: <see cref="Slides"/>, on forty histograms that are ragged, have gaps and are clipped hard, since they
    /// have few levels.
    /// </summary>
    [TestMethod]
    public void Threshold_RaggedCounts_IsThatOfTheSlides()
    {
        Python.Require("numpy");
        var random = new Random(6);
        long[][] cases =
        [
            .. Enumerable
                .Range(0, 40)
                .Select(c =>
                    Enumerable
                        .Range(0, 40 + c)
                        .Select(i =>
                            random.Next(5) == 0 ? 0 : (long)(1000 * Math.Exp(-i / (4.0 + c)) * random.NextDouble())
                        )
                        .Append(1)
                        .ToArray()
                ),
        ];
        double[] expected = Numbers(
            Python.Run(
                Slides
                    + $"for c in [{string.Join(',', cases.Select(c => $"[{string.Join(',', c)}]"))}]: "
                    + $"print(threshold(np.array(c, np.float64), 8))"
            )
        );
        CollectionAssert.AreEqual(
            expected.Select(e => (int)e).ToArray(),
            cases.Select(c => EntropyThreshold.Threshold(c, 8)).ToArray()
        );
        Assert.IsGreaterThan(5, expected.Distinct().Count());
    }

    [TestMethod]
    [DataRow(CalibrationMethod.MinMax)]
    [DataRow(CalibrationMethod.Percentile)]
    [DataRow(CalibrationMethod.Entropy)]
    public void Of_Constant_HoldsIt(CalibrationMethod method)
    {
        foreach (float value in (float[])[0, 3, -0.25f])
        {
            ValueRange range = new RangeCalibration { Method = method }.Of(Histogram([value, value, value]));
            AffineQuantization bytes = AffineQuantization.Of(range);
            // Nothing but one bin was seen: at most its width of 1/1024 is lost.
            Assert.AreEqual(
                value,
                bytes.Dequantize(bytes.Quantize(value)),
                Math.Abs(value) / 1024 + bytes.Scale / 2 * (value == 0 ? 0 : 1)
            );
        }
    }

    /// <summary>Oracle: <see cref="Slides"/>.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Of_Entropy_IsTheThresholdOfTheSlides(bool rectified)
    {
        Python.Require("numpy");
        // Heavy tails, so that clipping pays.
        var random = new Random(5);
        float[] values =
        [
            .. Bell(30000, 5, 0)
                .Select(v => v * (random.Next(200) == 0 ? 8 : 1))
                .Select(v => rectified ? Math.Max(v, 0) : v),
        ];
        ValueHistogram histogram = Histogram(values);
        ValueRange found = new RangeCalibration { Method = CalibrationMethod.Entropy }.Of(histogram);
        double[] expected = Numbers(
            Python.Run(
                Slides
                    + $"print(threshold(np.array([{string.Join(',', Sizes(histogram))}], np.float64), "
                    + $"{(rectified ? 256 : 128)}))"
            )
        );
        double threshold = expected[0] * histogram.Width;
        Assert.IsLessThan(values.Max(Math.Abs), threshold, "the case is one in which something is clipped");
        Assert.AreEqual((float)threshold, found.High);
        Assert.AreEqual(rectified ? 0f : -(float)threshold, found.Low);
    }

    [TestMethod]
    public void Of_EntropyOfUniform_ClipsNothing()
    {
        float[] values = [.. Enumerable.Range(1, 100_000).Select(i => i / 100_000f)];
        Assert.AreEqual(
            1f,
            new RangeCalibration { Method = CalibrationMethod.Entropy }
                .Of(Histogram(values))
                .High,
            1e-3,
            "a bin"
        );
    }

    [TestMethod]
    public void Percentile_OutOfRange_IsRefused() =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new RangeCalibration { Percentile = 100.5 });

    private static long[] Sizes(ValueHistogram histogram)
    {
        long[] sizes =
        [
            .. Enumerable
                .Range(0, ValueHistogram.Side)
                .Select(i => histogram.Counts[ValueHistogram.Side + i] + histogram.Counts[ValueHistogram.Side - 1 - i]),
        ];
        return sizes[..(Array.FindLastIndex(sizes, c => c > 0) + 1)];
    }

    private static ValueHistogram Histogram(float[] values)
    {
        var histogram = new ValueHistogram();
        histogram.Add(values);
        return histogram;
    }

    private static float[] Bell(int count, int seed, float mean)
    {
        var random = new Random(seed);
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(_ =>
                    mean
                    + (float)(
                        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())
                    )
                ),
        ];
    }

    private static double[] Numbers(string printed) =>
        [
            .. printed
                .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
                .Select(t => double.Parse(t, CultureInfo.InvariantCulture)),
        ];
}
