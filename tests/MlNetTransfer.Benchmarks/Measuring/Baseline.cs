using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks.Measuring;

/// <summary>Ratios of a benchmark as they were recorded, and where.</summary>
/// <param name="Benchmark">Name of the benchmark.</param>
/// <param name="BaselineMethod">The method whose time the ratios are multiples of.</param>
/// <param name="Date">When.</param>
/// <param name="Machine">Where and with what.</param>
/// <param name="Rounds">Rounds that the intervals are made of.</param>
/// <param name="Note">What is to be known of this recording.</param>
/// <param name="Ratios">The ratios.</param>
internal sealed record Baseline(
    string Benchmark,
    string BaselineMethod,
    DateOnly Date,
    Machine Machine,
    int Rounds,
    string? Note,
    IReadOnlyList<Ratio> Ratios
)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>What is recorded of the same method; null where nothing is.</summary>
    public Ratio? Find(Ratio ratio) => Ratios.FirstOrDefault(ratio.IsOfSame);

    private static string PathOf(RatioBenchmark benchmark) =>
        Repository.At($"tests/MlNetTransfer.Benchmarks/baselines/{benchmark.Name}.json");

    /// <summary>Reads what is recorded of a benchmark; null where nothing is.</summary>
    /// <exception cref="TransferException">The file is not what <see cref="Write"/> writes.</exception>
    public static Baseline? Read(RatioBenchmark benchmark)
    {
        string path = PathOf(benchmark);
        if (!File.Exists(path))
            return null;
        try
        {
            return JsonSerializer.Deserialize<Baseline>(File.ReadAllText(path), Json);
        }
        catch (JsonException e)
        {
            throw new TransferException(
                $"'{path}' cannot be read: {e.Message} Record it again: record {benchmark.Name}.",
                e
            );
        }
    }

    /// <summary>Writes ratios as the baseline, whole or not at all.</summary>
    public static void Write(RatioBenchmark benchmark, IReadOnlyList<Ratio> ratios, int rounds, string? note)
    {
        string path = PathOf(benchmark);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        Baseline baseline = new(
            benchmark.Name,
            benchmark.BaselineMethod,
            DateOnly.FromDateTime(TimeProvider.System.GetUtcNow().Date),
            Machine.Current(typeof(BenchmarkDotNet.Running.BenchmarkRunner).Assembly),
            rounds,
            note,
            [.. ratios.Select(r => r with { Value = Rounded(r.Value), Low = Rounded(r.Low), High = Rounded(r.High) })]
        );
        File.WriteAllText(path + ".new", JsonSerializer.Serialize(baseline, Json) + "\n");
        File.Move(path + ".new", path, overwrite: true);
    }

    /// <summary>Four digits: more is noise in the history of the file.</summary>
    private static double Rounded(double value) =>
        double.Parse(value.ToString("g4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
