using System.Reflection;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using MlNetTransfer.Tests.Shared;
using Perfolizer.Horology;

namespace MlNetTransfer.Benchmarks.Measuring;

/// <summary>A class of benchmarks with a baseline, measured by BenchmarkDotNet in this process.</summary>
/// <param name="Name">What it is called on the command line and its file of baselines.</param>
/// <param name="Type">The class.</param>
internal sealed record RatioBenchmark(string Name, Type Type)
{
    private const string Suffix = "Benchmark";

    /// <summary>All benchmarks of this program, by name.</summary>
    public static IReadOnlyList<RatioBenchmark> All { get; } =
    [
        .. typeof(RatioBenchmark)
            .Assembly.GetExportedTypes()
            .Where(t => t.GetMethods().Any(m => m.IsDefined(typeof(BenchmarkAttribute), inherit: false)))
            .Select(t => new RatioBenchmark(t.Name.Replace(Suffix, "").ToLowerInvariant(), t))
            .OrderBy(b => b.Name, StringComparer.Ordinal),
    ];

    /// <summary>Name of the method that the others are measured against.</summary>
    public string BaselineMethod =>
        Type.GetMethods().Single(m => m.GetCustomAttribute<BenchmarkAttribute>() is { Baseline: true }).Name;

    /// <summary>
    /// Measures all methods, round after round. Of each method's iterations in a round the fastest counts, which other
    /// work on the machine disturbs least. A first round, which compiles and fills caches, is left out.
    /// </summary>
    /// <exception cref="TransferException">A benchmark failed.</exception>
    public IReadOnlyList<Ratio> Measure(int rounds)
    {
        using Scratch scratch = new();
        Dictionary<(string Method, string Parameters), List<double>> found = [];
        for (int round = 0; round <= rounds; round++)
        {
            Summary summary = Round(iterations: round == 0 ? 1 : 6, scratch.Path);
            if (round == 0)
                continue;
            foreach (BenchmarkReport report in summary.Reports.Where(r => !summary.IsBaseline(r.BenchmarkCase)))
            {
                string group = summary.GetLogicalGroupKey(report.BenchmarkCase)!;
                BenchmarkReport baseline =
                    summary[summary.GetBaseline(group)!]
                    ?? throw new TransferException($"'{Name}' has no baseline of {group}.");
                (string, string) key = (
                    report.BenchmarkCase.Descriptor.WorkloadMethod.Name,
                    report.BenchmarkCase.Parameters.PrintInfo
                );
                if (!found.TryGetValue(key, out List<double>? ratios))
                    found[key] = ratios = [];
                ratios.Add(report.ResultStatistics!.Min / baseline.ResultStatistics!.Min);
            }
        }

        return [.. found.Select(f => Ratio.Of(f.Key.Method, f.Key.Parameters, f.Value))];
    }

    private Summary Round(int iterations, string folder)
    {
        AccumulationLogger log = new();
        // Work is counted in milliseconds, so that the cost of calling it need not be measured and one call may be
        // enough. Iterations are short: on a busy machine some of them are then left alone.
        Job job = Job
            .Default.WithToolchain(InProcessEmitToolchain.DontLogOutput)
            .WithWarmupCount(1)
            .WithIterationCount(iterations)
            .WithIterationTime(TimeInterval.FromMilliseconds(10))
            .WithMinInvokeCount(1)
            .WithUnrollFactor(1)
            .WithEvaluateOverhead(false);
        Summary summary = BenchmarkRunner.Run(
            Type,
            ManualConfig
                .CreateEmpty()
                .AddJob(job)
                .AddLogger(log)
                .AddColumnProvider(BenchmarkDotNet.Columns.DefaultColumnProviders.Instance)
                .AddValidator([.. DefaultConfig.Instance.GetValidators()])
                .WithOptions(ConfigOptions.DisableLogFile)
                .WithArtifactsPath(folder)
        );
        if (summary.HasCriticalValidationErrors || summary.Reports.Length == 0 || summary.Reports.Any(r => !r.Success))
            throw new TransferException($"The benchmark '{Name}' failed. BenchmarkDotNet says:\n{log.GetLog()}");
        return summary;
    }
}
