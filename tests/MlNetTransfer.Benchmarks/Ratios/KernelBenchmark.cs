using BenchmarkDotNet.Attributes;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Benchmarks.Ratios;

/// <summary>
/// The kernel head on 200 rows of 512 features, ten classes, its penalty and temperature chosen by leaving one row out,
/// beside a textbook's solution for one penalty.
/// </summary>
public class KernelBenchmark
{
    [Benchmark(Baseline = true)]
    public double[][] PlainFit() =>
        Textbook.KernelRidge(
            Textbook.Standardised(FittedRows.Table, v => Math.Sign(v) * Math.Sqrt(Math.Abs(v))),
            FittedRows.Table.Labels,
            FittedRows.Classes,
            0.3
        );

    [Benchmark]
    public KernelRidgeHead ChosenPenalty() => new KernelRidgeTrainer().Fit(FittedRows.Table);
}
