using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Heads;
using MlNetTransfer.Hosting;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;

namespace MlNetTransfer.Benchmarks;

/// <summary>
/// A hosted model under eight concurrent callers, its file exchanged in the middle, beside what is written without it:
/// one InferenceSession with default options behind a lock, each caller decoding for itself outside the lock. Same
/// images, same model, same run.
/// </summary>
internal static class HostingBenchmark
{
    private const int Callers = 8;

    /// <summary>Turns that the two take, so that whatever else the machine does meets both.</summary>
    private const int Turns = 6;

    public static int Run(string[] args)
    {
        double seconds = double.Parse(Option(args, "--seconds") ?? "60", CultureInfo.InvariantCulture);
        int exchanges = int.Parse(Option(args, "--exchanges") ?? "1", CultureInfo.InvariantCulture);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("hosting-benchmark-");
        try
        {
            string first = Option(args, "--model") ?? Train(folder, 1);
            string[] models = [first, Option(args, "--model") is null ? Train(folder, 2) : Retouched(folder, first)];
            return Compare(folder, models, exchanges, seconds);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static int Compare(DirectoryInfo folder, string[] models, int exchanges, double seconds)
    {
        byte[][] images =
        [
            .. Directory
                .EnumerateFiles("data-samples/clipart", "*.png", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal)
                .Select(File.ReadAllBytes),
        ];
        string path = Path.Combine(folder.FullName, "served.onnx");
        File.Copy(models[0], path);
        using ServiceProvider services = new ServiceCollection()
            .AddTransferModel(
                "bench",
                path,
                o => (o.MaxWaiting, o.Debounce) = (2 * Callers, TimeSpan.FromMilliseconds(100))
            )
            .BuildServiceProvider();
        ITransferPredictor predictor = services.GetRequiredService<ITransferPredictor>();
        var hosted = new Load(
            [.. Enumerable.Repeat<Func<byte[], Task>>(image => predictor.PredictAsync(image), Callers)],
            images
        );

        using TransferModel model = TransferModel.Load(models[0]);
        Preprocessing preprocessing = model.Metadata.Preprocessing;
        using var session = new InferenceSession(models[0]);
        var gate = new object();
        ImagePreprocessor[] preprocessors =
        [
            .. Enumerable.Range(0, Callers).Select(_ => new ImagePreprocessor(preprocessing)),
        ];
        var bare = new Load([.. preprocessors.Select(p => Caller(p, preprocessing, session, gate))], images);

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
        foreach (ImagePreprocessor preprocessor in preprocessors)
            preprocessor.Dispose();
        Console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{Callers} callers, {seconds} s each in {Turns} turns, {images.Length} images of data-samples, "
                    + $"{Environment.ProcessorCount} cores, ONNX Runtime {Backbones.ImageGraph.RuntimeVersion}"
            )
        );
        Console.WriteLine("                                 requests/s   p50 ms   p99 ms   errors");
        Line($"hosted, {exchanged} exchange(s) of the file", hosted);
        Line("InferenceSession behind a lock", bare);
        Console.WriteLine(FormattableString.Invariant($"ratio of requests/s: {hosted.PerSecond / bare.PerSecond:f2}"));
        Console.WriteLine(
            FormattableString.Invariant(
                $"both together, at start, middle and end: managed MiB {string.Join(", ", memory.Select(m => FormattableString.Invariant($"{m.Managed / 1048576.0:f1}")))}; committed by the collector {string.Join(", ", memory.Select(m => m.Committed >> 20))}; working set {string.Join(", ", memory.Select(m => m.WorkingSet >> 20))}"
            )
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

    private static Func<byte[], Task> Caller(
        ImagePreprocessor preprocessor,
        Preprocessing preprocessing,
        InferenceSession session,
        object gate
    )
    {
        var tensor = new float[preprocessing.TensorLength];
        return image =>
        {
            preprocessor.Process(image, tensor);
            using OrtValue input = OrtValue.CreateTensorValueFromMemory(
                tensor,
                [1, 3, preprocessing.Size, preprocessing.Size]
            );
            using var options = new RunOptions();
            lock (gate)
            {
                using IDisposableReadOnlyCollection<OrtValue> results = session.Run(
                    options,
                    ["image"],
                    [input],
                    [TransferModel.ProbabilitiesOutput]
                );
                return Task.FromResult(results[0].GetTensorDataAsSpan<float>().ToArray());
            }
        };
    }

    private static string Train(DirectoryInfo folder, int seed)
    {
        string output = Path.Combine(folder.FullName, $"seed{seed}");
        new TrainJob(
            new TrainOptions
            {
                Folder = "data-samples/clipart",
                Output = output,
                Taps = ["block_13_expand_relu"],
                Head = HeadKind.Ridge,
                Seed = seed,
            }
        ).Run();
        return Path.Combine(output, "model.onnx");
    }

    /// <summary>The same model as another file, to be exchanged for it.</summary>
    private static string Retouched(DirectoryInfo folder, string model)
    {
        string path = Path.Combine(folder.FullName, "retouched.onnx");
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
            Task.WaitAll([
                .. callers.Select(call =>
                    Task.Factory.StartNew(
                            () => CallAsync(call, end),
                            CancellationToken.None,
                            TaskCreationOptions.LongRunning,
                            TaskScheduler.Default
                        )
                        .Unwrap()
                ),
            ]);
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
