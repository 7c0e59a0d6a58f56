using BenchmarkDotNet.Attributes;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Benchmarks.Ratios;

/// <summary>
/// The softmax head on 200 rows of 512 features, ten classes, beside a textbook's fit to the same tolerance: with the
/// same penalty, and with its choice by cross-validation.
/// </summary>
public class SoftmaxBenchmark
{
    private const double L2 = 0.01;
    private static readonly double Tolerance = new SoftmaxTrainerOptions().Tolerance;

    /// <summary>The loss is strictly convex: at its minimum both must say the same of every row.</summary>
    [GlobalSetup]
    public void CheckThatBothFitTheSame()
    {
        float[] ours = OnePenalty().Predict(FittedRows.Table);
        double[] theirs = Textbook.Probabilities(Textbook.Standardised(FittedRows.Table), PlainFit());
        double furthest = ours.Zip(theirs, (a, b) => Math.Abs(a - b)).Max();
        if (furthest > 0.01)
            throw new InvalidOperationException($"The textbook's fit is another: probabilities differ by {furthest}.");
    }

    [Benchmark(Baseline = true)]
    public double[][] PlainFit() =>
        Textbook.Softmax(
            Textbook.Standardised(FittedRows.Table),
            FittedRows.Table.Labels,
            FittedRows.Classes,
            L2,
            Tolerance
        );

    [Benchmark]
    public SoftmaxHead OnePenalty() => new SoftmaxTrainer(new SoftmaxTrainerOptions { L2 = L2 }).Fit(FittedRows.Table);

    [Benchmark]
    public SoftmaxHead ChosenPenalty() => new SoftmaxTrainer().Fit(FittedRows.Table);
}
