using System.Globalization;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks.Measuring;

/// <summary>What was asked for cannot be understood.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>The commands run, record and compare.</summary>
internal static class RatioCommands
{
    /// <summary>Rounds, where none are given.</summary>
    public const int DefaultRounds = 7;

    /// <summary>Measures and prints.</summary>
    public static int Run(string[] args)
    {
        Request request = Parse(args, takesNote: false);
        foreach (RatioBenchmark benchmark in request.Benchmarks)
            Print(benchmark, Measure(benchmark, request.Rounds), r => r.ToString());
        return 0;
    }

    /// <summary>Measures, prints and writes the baselines, each when it is measured.</summary>
    public static int Record(string[] args)
    {
        Request request = Parse(args, takesNote: true);
        foreach (RatioBenchmark benchmark in request.Benchmarks)
        {
            IReadOnlyList<Ratio> ratios = Measure(benchmark, request.Rounds);
            Print(benchmark, ratios, r => r.ToString());
            Baseline.Write(benchmark, ratios, request.Rounds, request.Note);
        }

        return 0;
    }

    /// <summary>Measures and compares with the baselines.</summary>
    /// <returns>1 where any is worse, else 0.</returns>
    public static int Compare(string[] args)
    {
        Request request = Parse(args, takesNote: false);
        Baseline[] stored =
        [
            .. request.Benchmarks.Select(b =>
                Baseline.Read(b)
                ?? throw new UsageException($"No baseline of '{b.Name}' is recorded. First: record {b.Name}.")
            ),
        ];
        foreach ((RatioBenchmark benchmark, Baseline baseline) in request.Benchmarks.Zip(stored))
            if (baseline.BaselineMethod != benchmark.BaselineMethod)
                throw new UsageException(
                    $"'{benchmark.Name}' was recorded against {baseline.BaselineMethod}, now it is measured against "
                        + $"{benchmark.BaselineMethod}. First: record {benchmark.Name}."
                );
        Machine here = Machine.Current();
        List<string> worse = [];
        foreach ((RatioBenchmark benchmark, Baseline baseline) in request.Benchmarks.Zip(stored))
        {
            if ((baseline.Machine.Processor, baseline.Machine.Cores) != (here.Processor, here.Cores))
                Console.WriteLine(
                    $"{benchmark.Name} was recorded on another machine: {baseline.Machine.Processor}, "
                        + $"{baseline.Machine.Cores} cores."
                );
            IReadOnlyList<Ratio> ratios = Measure(benchmark, request.Rounds);
            Print(benchmark, ratios, now => Line(now, baseline.Find(now)));
            worse.AddRange(
                ratios
                    .Where(now => baseline.Find(now) is { } then && now.Against(then) == Verdict.Worse)
                    .Select(now => $"{benchmark.Name} {now.Name}")
            );
            foreach (Ratio gone in baseline.Ratios.Where(then => !ratios.Any(then.IsOfSame)))
                Console.WriteLine($"  {gone.Name} is recorded and no longer measured: record {benchmark.Name} again.");
        }

        Console.WriteLine(worse.Count == 0 ? "None is worse." : $"Worse: {string.Join(", ", worse)}.");
        return worse.Count == 0 ? 0 : 1;
    }

    private static string Line(Ratio now, Ratio? then) =>
        then is null
            ? $"not recorded  now {now}"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"stored {then.Value, 8:0.000}  now {now}  {now.Against(then).ToString().ToLowerInvariant()}"
            );

    private static IReadOnlyList<Ratio> Measure(RatioBenchmark benchmark, int rounds)
    {
        Console.Error.WriteLine($"{benchmark.Name}: measuring, {rounds} rounds");
        return benchmark.Measure(rounds);
    }

    private static void Print(RatioBenchmark benchmark, IReadOnlyList<Ratio> ratios, Func<Ratio, string> figures)
    {
        Console.WriteLine($"{benchmark.Name}: time as a multiple of {benchmark.BaselineMethod}'s, 95 % interval");
        foreach (Ratio ratio in ratios)
            Console.WriteLine($"  {ratio.Name, -36} {figures(ratio)}");
    }

    private static Request Parse(string[] args, bool takesNote)
    {
        List<string> filters = [];
        int rounds = DefaultRounds;
        string? note = null;
        for (int i = 0; i < args.Length; i++)
        {
            if (args[i] == "--rounds")
                rounds =
                    int.TryParse(Value(), CultureInfo.InvariantCulture, out int n) && n >= 2 && n <= Ratio.MostRounds
                        ? n
                        : throw new UsageException($"--rounds is a whole number from 2 to {Ratio.MostRounds}.");
            else if (args[i] == "--note" && takesNote)
                note = Value();
            else if (args[i].StartsWith('-'))
                throw new UsageException(
                    $"There is no option '{args[i]}' here; there is --rounds N{(takesNote ? " and --note TEXT" : "")}."
                );
            else
                filters.Add(args[i]);

            string Value() =>
                ++i < args.Length ? args[i] : throw new UsageException($"{args[i - 1]} needs a value after it.");
        }

        foreach (string filter in filters)
            if (!RatioBenchmark.All.Any(b => Matches(b, filter)))
                throw new UsageException(
                    $"No benchmark's name has '{filter}' in it; there are "
                        + $"{string.Join(", ", RatioBenchmark.All.Select(b => b.Name))}."
                );
        return new(
            [.. RatioBenchmark.All.Where(b => filters.Count == 0 || filters.Exists(f => Matches(b, f)))],
            rounds,
            note
        );
    }

    private static bool Matches(RatioBenchmark benchmark, string filter) =>
        benchmark.Name.Contains(filter, StringComparison.OrdinalIgnoreCase);

    private sealed record Request(IReadOnlyList<RatioBenchmark> Benchmarks, int Rounds, string? Note);
}
