using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Hosting;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;

namespace MlNetTransfer.Benchmarks;

/// <summary>
/// A hosted model under eight concurrent callers, its file exchanged in the middle, beside what is written without it: one InferenceSession with
/// default options behind a lock, each caller decoding for itself outside the lock. Same images, same model, same run.
/// </summary>
internal static class HostingBenchmark
{
    private const int Callers = 8;

    public static int Run(string[] args)
    {
        double seconds = double.Parse(Option(args, "--seconds") ?? "60", CultureInfo.InvariantCulture);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("hosting-benchmark-");
        try
        {
            string first = Option(args, "--model") ?? Train(folder, 1), second = Option(args, "--model") is { } given ? Retouched(folder, given) : Train(folder, 2);
            byte[][] images = [.. Directory.EnumerateFiles("data-samples/clipart", "*.png", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];
            (Load bare, Memory[] bareMemory) = Bare(first, images, seconds);
            (Load hosted, Memory[] hostedMemory, string reload) = HostedModel(folder, first, second, images, seconds);
            Console.WriteLine(FormattableString.Invariant($"{Callers} callers, {seconds} s each, {images.Length} images of data-samples, {Environment.ProcessorCount} cores, ONNX Runtime {Backbones.ImageGraph.RuntimeVersion}"));
            Console.WriteLine("                                 requests/s   p50 ms   p99 ms   errors   managed MiB (start, middle, end)   working set MiB");
            Line("hosted, file exchanged midway", hosted, hostedMemory, seconds);
            Line("InferenceSession behind a lock", bare, bareMemory, seconds);
            Console.WriteLine(FormattableString.Invariant($"ratio of requests/s: {(double)hosted.Requests / bare.Requests:f2}; {reload}"));
            return hosted.Errors + bare.Errors > 0 ? 1 : 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static (Load Load, Memory[] Memory, string Reload) HostedModel(DirectoryInfo folder, string first, string second, byte[][] images, double seconds)
    {
        string path = Path.Combine(folder.FullName, "served.onnx");
        File.Copy(first, path);
        using ServiceProvider services = new ServiceCollection().AddTransferModel("bench", path, o => o.MaxWaiting = 2 * Callers).BuildServiceProvider();
        ITransferPredictor predictor = services.GetRequiredService<ITransferPredictor>();
        var load = new Load([.. Enumerable.Repeat<Func<byte[], Task>>(image => predictor.PredictAsync(image), Callers)], images);
        Memory[] memory = load.Run(seconds, () =>
        {
            File.Copy(second, path + ".new");
            File.Move(path + ".new", path, overwrite: true);
        });
        return (load, memory, predictor.Status.Version!.Sha256 == ModelHash(second) ? "the exchanged file was being served at the end" : $"NOT EXCHANGED: {predictor.Status.ReloadError}");
    }

    private static (Load Load, Memory[] Memory) Bare(string path, byte[][] images, double seconds)
    {
        using TransferModel model = TransferModel.Load(path);
        Preprocessing preprocessing = model.Metadata.Preprocessing;
        using var session = new InferenceSession(path);
        var gate = new object();
        ImagePreprocessor[] preprocessors = [.. Enumerable.Range(0, Callers).Select(_ => new ImagePreprocessor(preprocessing))];
        try
        {
            var load = new Load([.. preprocessors.Select(p => Caller(p, preprocessing, session, gate))], images);
            return (load, load.Run(seconds, () => { }));
        }
        finally
        {
            foreach (ImagePreprocessor preprocessor in preprocessors) preprocessor.Dispose();
        }
    }

    private static Func<byte[], Task> Caller(ImagePreprocessor preprocessor, Preprocessing preprocessing, InferenceSession session, object gate)
    {
        var tensor = new float[preprocessing.TensorLength];
        return image =>
        {
            preprocessor.Process(image, tensor);
            using OrtValue input = OrtValue.CreateTensorValueFromMemory(tensor, [1, 3, preprocessing.Size, preprocessing.Size]);
            using var options = new RunOptions();
            lock (gate)
            {
                using IDisposableReadOnlyCollection<OrtValue> results = session.Run(options, ["image"], [input], [TransferModel.ProbabilitiesOutput]);
                return Task.FromResult(results[0].GetTensorDataAsSpan<float>().ToArray());
            }
        };
    }

    private static string Train(DirectoryInfo folder, int seed)
    {
        string output = Path.Combine(folder.FullName, $"seed{seed}");
        new TrainJob(new TrainOptions { Folder = "data-samples/clipart", Output = output, Taps = ["block_13_expand_relu"], Head = HeadKind.Ridge, Seed = seed }).Run();
        return Path.Combine(output, "model.onnx");
    }

    /// <summary>The same model as another file, to be exchanged for it.</summary>
    private static string Retouched(DirectoryInfo folder, string model)
    {
        string path = Path.Combine(folder.FullName, "retouched.onnx");
        Graphs.OnnxModel.Load(model).WithMetadata("benchmark", "exchanged").Save(path);
        return path;
    }

    private static string ModelHash(string path) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)));

    private static string? Option(string[] args, string name) => Array.IndexOf(args, name) is >= 0 and var i && i + 1 < args.Length ? args[i + 1] : null;

    private static void Line(string name, Load load, Memory[] memory, double seconds) => Console.WriteLine(FormattableString.Invariant(
        $"{name,-32} {load.Requests / seconds,10:f1} {load.Percentile(0.5),8:f1} {load.Percentile(0.99),8:f1} {load.Errors,8}   {string.Join(", ", memory.Select(m => FormattableString.Invariant($"{m.Managed / 1048576.0:f1}"))),-32}   {string.Join(", ", memory.Select(m => m.WorkingSet >> 20))}"));

    private readonly record struct Memory(long Managed, long WorkingSet)
    {
        public static Memory Now()
        {
            long managed = GC.GetTotalMemory(forceFullCollection: true);
            using Process process = Process.GetCurrentProcess();
            return new(managed, process.WorkingSet64);
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

        public int Requests => requests;

        public int Errors => errors;

        public double Percentile(double share) => milliseconds.Take(requests).Order().ElementAt((int)(share * (requests - 1)));

        public Memory[] Run(double seconds, Action midway)
        {
            // The first seconds load, compile and fill pools.
            RunFor(Math.Min(5, seconds));
            (requests, errors) = (0, 0);
            Memory start = Memory.Now();
            RunFor(seconds / 2);
            Memory middle = Memory.Now();
            Task exchange = Task.Delay(TimeSpan.FromSeconds(seconds / 8)).ContinueWith(_ => midway(), TaskScheduler.Default);
            RunFor(seconds / 2);
            exchange.GetAwaiter().GetResult();
            return [start, middle, Memory.Now()];
        }

        private void RunFor(double seconds)
        {
            long end = Stopwatch.GetTimestamp() + (long)(seconds * Stopwatch.Frequency);
            Task.WaitAll([.. callers.Select(call => Task.Factory.StartNew(() => CallAsync(call, end), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap())]);
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
                    milliseconds[Interlocked.Increment(ref requests) - 1] = (float)Stopwatch.GetElapsedTime(started).TotalMilliseconds;
                }
                catch (Exception e) when (e is TransferException or OnnxRuntimeException)
                {
                    Interlocked.Increment(ref errors);
                }
            }
        }
    }
}
