using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Hosting;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks.Rivals;

/// <summary>
/// A hosted model under eight concurrent callers, its file exchanged in the middle, beside what is written without it:
/// one InferenceSession with default options behind a lock, each caller decoding for itself outside the lock. Same
/// images, same model, same run.
/// </summary>
internal static class HostingLoad
{
    /// <summary>Turns that the two take, so that whatever else the machine does meets both.</summary>
    private const int Turns = 6;

    public static int Run(string[] args)
    {
        double seconds = double.Parse(Option(args, "--seconds") ?? "60", CultureInfo.InvariantCulture);
        int exchanges = int.Parse(Option(args, "--exchanges") ?? "1", CultureInfo.InvariantCulture);
        using Scratch folder = new();
        string first = Option(args, "--model") ?? ServedModel.Train(folder.File("seed1"), 1);
        string[] models =
        [
            first,
            Option(args, "--model") is null ? ServedModel.Train(folder.File("seed2"), 2) : Retouched(folder, first),
        ];
        return Compare(folder, models, exchanges, seconds);
    }

    private static int Compare(Scratch folder, string[] models, int exchanges, double seconds)
    {
        byte[][] images = [.. Drawings.Files.Select(File.ReadAllBytes)];
        string path = folder.File("served.onnx");
        File.Copy(models[0], path);
        using ServedModel model = new(path);
        ITransferPredictor predictor = model.Predictor;
        Load hosted = new(model.Hosted, images),
            bare = new(model.Bare, images);

        List<Memory> memory = [];
        int exchanged = 0;
        // The first seconds load, compile and fill pools.
        hosted.WarmUp(Math.Min(5, seconds));
        bare.WarmUp(Math.Min(5, seconds));
        memory.Add(Memory.Now());
        for (int turn = 0; turn < Turns; turn++)
        {
            bare.RunFor(seconds / Turns);
            Task exchange =
                turn == Turns / 2
                    ? Task.Run(() =>
                        exchanged = ExchangeAsync(predictor, path, models, exchanges).GetAwaiter().GetResult()
                    )
                    : Task.CompletedTask;
            do hosted.RunFor(seconds / Turns);
            while (!exchange.IsCompleted);
            exchange.GetAwaiter().GetResult();
            if (turn == Turns / 2 - 1)
                memory.Add(Memory.Now());
        }

        memory.Add(Memory.Now());
        Console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{ServedModel.Callers} callers, {seconds} s each in {Turns} turns, {images.Length} images, "
                    + $"{Environment.ProcessorCount} cores, ONNX Runtime {Backbones.ItemGraph.RuntimeVersion}"
            )
        );
        Console.WriteLine("                                 requests/s   p50 ms   p99 ms   errors");
        Line($"hosted, {exchanged} exchange(s) of the file", hosted);
        Line("InferenceSession behind a lock", bare);
        Console.WriteLine(FormattableString.Invariant($"ratio of requests/s: {hosted.PerSecond / bare.PerSecond:f2}"));
        Console.WriteLine(
            "both together, at start, middle and end: managed MiB "
                + string.Join(", ", memory.Select(m => FormattableString.Invariant($"{m.Managed / 1048576.0:f1}")))
                + $"; committed by the collector {string.Join(", ", memory.Select(m => m.Committed >> 20))}"
                + $"; working set {string.Join(", ", memory.Select(m => m.WorkingSet >> 20))}"
        );
        return hosted.Errors + bare.Errors > 0 || exchanged != exchanges ? 1 : 0;
    }

    /// <summary>Renames one file after another onto the served one, each when the one before is being served.</summary>
    private static async Task<int> ExchangeAsync(
        ITransferPredictor predictor,
        string path,
        string[] models,
        int exchanges
    )
    {
        for (int i = 1; i <= exchanges; i++)
        {
            string next = models[i % 2],
                sha256 = Convert.ToHexStringLower(
                    System.Security.Cryptography.SHA256.HashData(await File.ReadAllBytesAsync(next))
                );
            await Task.Delay(500);
            await File.WriteAllBytesAsync(path + ".new", await File.ReadAllBytesAsync(next));
            File.Move(path + ".new", path, overwrite: true);
            for (
                long started = Stopwatch.GetTimestamp();
                predictor.Status.Version!.Sha256 != sha256;
                await Task.Delay(20)
            )
                if (Stopwatch.GetElapsedTime(started).TotalSeconds > 60)
                    return i - 1;
        }

        return exchanges;
    }

    /// <summary>The same model as another file, to be exchanged for it.</summary>
    private static string Retouched(Scratch folder, string model)
    {
        string path = folder.File("retouched.onnx");
        Onnx.OnnxModel.Load(model).WithMetadata("benchmark", "exchanged").Save(path);
        return path;
    }

    private static string? Option(string[] args, string name) =>
        Array.IndexOf(args, name) is >= 0 and var i && i + 1 < args.Length ? args[i + 1] : null;

    private static void Line(string name, Load load) =>
        Console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{name, -32} {load.PerSecond, 10:f1} {load.Percentile(0.5), 8:f1} {load.Percentile(0.99), 8:f1} "
                    + $"{load.Errors, 8}"
            )
        );

    private readonly record struct Memory(long Managed, long Committed, long WorkingSet)
    {
        public static Memory Now()
        {
            long managed = GC.GetTotalMemory(forceFullCollection: true);
            using Process process = Process.GetCurrentProcess();
            return new(managed, GC.GetGCMemoryInfo().TotalCommittedBytes, process.WorkingSet64);
        }
    }

    /// <summary>Callers that ask again as soon as they are answered.</summary>
    private sealed class Load(Func<byte[], Task>[] callers, byte[][] images)
    {
        // Kept for all the time, so that the record of latencies does not look like a leak.
        private readonly float[] milliseconds = new float[1 << 20];
        private int next = -1;
        private int requests;
        private int errors;
        private TimeSpan elapsed;

        public int Errors => errors;

        public double Percentile(double share) =>
            milliseconds.Take(requests).Order().ElementAt((int)(share * (requests - 1)));

        public double PerSecond => requests / elapsed.TotalSeconds;

        public void WarmUp(double seconds)
        {
            RunFor(seconds);
            (requests, errors, elapsed) = (0, 0, TimeSpan.Zero);
        }

        public void RunFor(double seconds)
        {
            long started = Stopwatch.GetTimestamp(),
                end = started + (long)(seconds * Stopwatch.Frequency);
            ServedModel.CallAll(callers, call => CallAsync(call, end));
            elapsed += Stopwatch.GetElapsedTime(started);
        }

        private async Task CallAsync(Func<byte[], Task> call, long end)
        {
            while (Stopwatch.GetTimestamp() < end)
            {
                byte[] image = images[(Interlocked.Increment(ref next) & int.MaxValue) % images.Length];
                long started = Stopwatch.GetTimestamp();
                try
                {
                    await call(image);
                    milliseconds[Interlocked.Increment(ref requests) - 1] = (float)
                        Stopwatch.GetElapsedTime(started).TotalMilliseconds;
                }
                catch (Exception e) when (e is TransferException or OnnxRuntimeException)
                {
                    Interlocked.Increment(ref errors);
                }
            }
        }
    }
}
