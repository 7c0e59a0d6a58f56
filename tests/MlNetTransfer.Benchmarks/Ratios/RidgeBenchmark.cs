using BenchmarkDotNet.Attributes;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Benchmarks.Ratios;

/// <summary>
/// The ridge head on 200 rows of 512 features, ten classes, its penalty and temperature chosen by leaving one row out,
/// beside a textbook's solution for one penalty.
/// </summary>
public class RidgeBenchmark
{
    [Benchmark(Baseline = true)]
    public double[][] PlainFit() =>
        Textbook.Ridge(Textbook.Standardised(FittedRows.Table), FittedRows.Table.Labels, FittedRows.Classes, 0.3);

    [Benchmark]
    public RidgeHead ChosenPenalty() => new RidgeTrainer().Fit(FittedRows.Table);
}
