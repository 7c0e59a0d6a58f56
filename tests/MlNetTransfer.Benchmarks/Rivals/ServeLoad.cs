using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks.Rivals;

/// <summary>
/// The server as a process of its own, asked over HTTP from here: rates and latencies beside bare ONNX Runtime in this
/// process, overload, files exchanged under load, and clients that misbehave.
/// </summary>
internal static class ServeLoad
{
    private static readonly int[] Callers = [1, 8, 64];

    public static int Run(string[] args)
    {
        double seconds = double.Parse(Option(args, "--seconds") ?? "20", CultureInfo.InvariantCulture),
            overload = double.Parse(Option(args, "--overload") ?? "60", CultureInfo.InvariantCulture);
        using Scratch folder = new();
        string first = Option(args, "--model") ?? ServedModel.Train(folder.File("seed1"), 1),
            served = folder.File("served.onnx"),
            other = folder.File("other.onnx");
        Onnx.OnnxModel.Load(first).WithMetadata("benchmark", "exchanged").Save(other);
        File.Copy(first, served);
        byte[][] images = [.. Drawings.Files.Select(File.ReadAllBytes)];
        Console.WriteLine(
            FormattableString.Invariant(
                $"{images.Length} images, {seconds} s each, {Environment.ProcessorCount} cores for server and callers"
            )
        );
        Console.WriteLine("                                 requests/s   p50 ms   p99 ms   errors   server MB");
        double bare = Bare(first, images, seconds);
        using ServerProcess server = new($"bench={served}");
        Load load = new(server, images);
        load.Run(8, Math.Min(5, seconds));
        double capacity = 0;
        foreach (int callers in Callers)
            capacity = Math.Max(capacity, Print($"serve, {callers} callers", load.Run(callers, seconds), server));
        Console.WriteLine(FormattableString.Invariant($"best of serve / bare: {capacity / bare:f2}"));
        bool isWhole = Overload(load, server, 4 * capacity, overload);
        isWhole &= Exchange(load, server, served, [other, first, other, first]);
        isWhole &= Misbehave(load, server);
        Console.WriteLine(isWhole ? "No failed request but what was refused with 503, and no crash." : "FAILED");
        return isWhole ? 0 : 1;
    }

    /// <summary>A session with one thread on each core, fed by as many callers: what the machine can do without HTTP.</summary>
    private static double Bare(string model, byte[][] images, double seconds)
    {
        Preprocessing preprocessing;
        using (TransferModel loaded = TransferModel.Load(model))
            preprocessing = loaded.Metadata.Preprocessing;
        using SessionOptions options = new() { IntraOpNumThreads = 1 };
        using InferenceSession session = new(model, options);
        ConcurrentBag<double> times = [];
        long end = Stopwatch.GetTimestamp() + (long)(seconds * Stopwatch.Frequency);
        int next = -1;
        Thread[] threads = [.. Enumerable.Range(0, Environment.ProcessorCount).Select(_ => new Thread(Work))];
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        Measured found = new([.. times], seconds, 0);
        Console.WriteLine(found.Line($"bare ONNX Runtime, {threads.Length} threads", null));
        return found.PerSecond;

        void Work()
        {
            using ImagePreprocessor preprocessor = new(preprocessing);
            using RunOptions run = new();
            float[] tensor = new float[preprocessing.TensorLength];
            while (Stopwatch.GetTimestamp() < end)
            {
                long started = Stopwatch.GetTimestamp();
                preprocessor.Process(images[Interlocked.Increment(ref next) % images.Length], tensor);
                using OrtValue input = OrtValue.CreateTensorValueFromMemory(
                    tensor,
                    [1, 3, preprocessing.Size, preprocessing.Size]
                );
                using IDisposableReadOnlyCollection<OrtValue> results = session.Run(
                    run,
                    ["image"],
                    [input],
                    [TransferModel.ProbabilitiesOutput]
                );
                times.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            }
        }
    }

    private static double Print(string name, Measured found, ServerProcess server)
    {
        Console.WriteLine(found.Line(name, server.Megabytes));
        return found.PerSecond;
    }

    /// <summary>Requests that come whether or not the last ones are answered.</summary>
    private static bool Overload(Load load, ServerProcess server, double perSecond, double seconds)
    {
        long started = Stopwatch.GetTimestamp();
        ConcurrentDictionary<int, int> statuses = [];
        List<Task> sent = [];
        double most = 0;
        for (int i = 0; Stopwatch.GetElapsedTime(started).TotalSeconds < seconds; i++)
        {
            double due = i / perSecond - Stopwatch.GetElapsedTime(started).TotalSeconds;
            if (due > 0.002)
                Thread.Sleep(TimeSpan.FromSeconds(due));
            int number = i;
            sent.Add(Task.Run(async () => statuses.AddOrUpdate(await load.StatusAsync(number), 1, (_, n) => n + 1)));
            if (i % 200 == 0)
            {
                most = Math.Max(most, server.Megabytes);
                sent.RemoveAll(t => t.IsCompleted);
            }
        }

        Task.WaitAll([.. sent]);
        Console.WriteLine(
            FormattableString.Invariant(
                $"overload, {perSecond:f0} requests/s asked for {seconds:f0} s: {string.Join(", ", statuses.OrderBy(s => s.Key).Select(s => $"{s.Value} x {s.Key}"))}; at most {most:f0} MB"
            )
        );
        return statuses.Keys.All(s => s is 200 or 503) && server.IsAlive;
    }

    /// <summary>Files exchanged while eight callers ask.</summary>
    private static bool Exchange(Load load, ServerProcess server, string path, string[] files)
    {
        using CancellationTokenSource done = new();
        Task<Measured> asking = Task.Run(() => load.Run(8, 600, done.Token));
        int exchanged = 0;
        foreach (string file in files)
        {
            File.Copy(file, path + ".new");
            File.Move(path + ".new", path, overwrite: true);
            string sha256 = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)));
            for (int i = 0; i < 600 && server.Sha256() != sha256; i++)
                Thread.Sleep(100);
            exchanged += server.Sha256() == sha256 ? 1 : 0;
            Thread.Sleep(1000);
        }

        done.Cancel();
        Measured found = asking.GetAwaiter().GetResult();
        Print($"serve, 8 callers, {exchanged} exchanges", found, server);
        return found.Errors == 0 && exchanged == files.Length;
    }

    /// <summary>Headers and bodies that trickle, bodies of 200 MB, clients that hang up; others are answered meanwhile.</summary>
    private static bool Misbehave(Load load, ServerProcess server)
    {
        string head = "POST /v1/models/bench/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 25000000\r\n";
        List<TcpClient> slow = [];
        for (int i = 0; i < 200; i++)
        {
            TcpClient client = new();
            client.Connect(server.Address.Host, server.Address.Port);
            client.GetStream().Write(Encoding.ASCII.GetBytes(i % 2 == 0 ? head : head + "\r\n"));
            if (i % 2 == 1)
                client.GetStream().Write(new byte[500_000]);
            slow.Add(client);
        }

        Measured meanwhile = load.Run(8, 5);
        Print("serve, 8 callers, 200 slow clients", meanwhile, server);
        slow.ForEach(c => c.Dispose());
        byte[] large = new byte[200_000_000];
        int refused = 0,
            gone = 0;
        Parallel.For(
            0,
            16,
            new ParallelOptions { MaxDegreeOfParallelism = 8 },
            _ =>
            {
                try
                {
                    using HttpResponseMessage response = load
                        .Client.PostAsync(Load.Path, new ByteArrayContent(large))
                        .GetAwaiter()
                        .GetResult();
                    if (response.StatusCode == HttpStatusCode.RequestEntityTooLarge)
                        Interlocked.Increment(ref refused);
                }
                catch (HttpRequestException)
                {
                    // The answer came while the body was still being sent.
                    Interlocked.Increment(ref gone);
                }
            }
        );
        Parallel.For(
            0,
            500,
            new ParallelOptions { MaxDegreeOfParallelism = 32 },
            i =>
            {
                using CancellationTokenSource leave = new(TimeSpan.FromMilliseconds(1 + i % 40));
                try
                {
                    load.Client.PostAsync(Load.Path, new ByteArrayContent(load.Image(i)), leave.Token)
                        .GetAwaiter()
                        .GetResult()
                        .Dispose();
                }
                catch (OperationCanceledException) { }
            }
        );
        Measured after = load.Run(8, 5);
        Print($"after 16 bodies of 200 MB, 500 left", after, server);
        Console.WriteLine($"bodies of 200 MB: {refused} x 413, {gone} cut off while sending");
        return meanwhile.Errors + after.Errors == 0 && refused + gone == 16 && server.IsAlive;
    }

    private static string? Option(string[] args, string name) =>
        Array.IndexOf(args, name) is >= 0 and var i && i + 1 < args.Length ? args[i + 1] : null;

    private sealed record Measured(double[] Milliseconds, double Seconds, int Errors)
    {
        public double PerSecond => Milliseconds.Length / Seconds;

        public string Line(string name, double? megabytes)
        {
            double[] sorted = [.. Milliseconds.Order()];
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{name, -34} {PerSecond, 8:f1} {sorted[sorted.Length / 2], 8:f1} {sorted[(int)(0.99 * (sorted.Length - 1))], 8:f1} {Errors, 8} {megabytes, 10:f0}"
            );
        }
    }

    /// <summary>Callers over HTTP that ask again as soon as they are answered.</summary>
    private sealed class Load(ServerProcess server, byte[][] images)
    {
        private int next = -1;

        public HttpClient Client { get; } =
            new(new SocketsHttpHandler { MaxConnectionsPerServer = 4096 })
            {
                BaseAddress = server.Address,
                Timeout = TimeSpan.FromMinutes(2),
            };

        public const string Path = "/v1/models/bench/predict";

        public byte[] Image(int number) => images[number % images.Length];

        public async Task<int> StatusAsync(int number)
        {
            try
            {
                using HttpResponseMessage response = await Client.PostAsync(Path, new ByteArrayContent(Image(number)));
                return (int)response.StatusCode;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
            {
                return 0;
            }
        }

        public Measured Run(int callers, double seconds, CancellationToken done = default)
        {
            ConcurrentBag<double> times = [];
            int errors = 0;
            long started = Stopwatch.GetTimestamp();
            Task.WaitAll([.. Enumerable.Range(0, callers).Select(_ => Task.Run(CallAsync))], CancellationToken.None);
            return new([.. times], Stopwatch.GetElapsedTime(started).TotalSeconds, errors);

            async Task CallAsync()
            {
                while (Stopwatch.GetElapsedTime(started).TotalSeconds < seconds && !done.IsCancellationRequested)
                {
                    long asked = Stopwatch.GetTimestamp();
                    if (await StatusAsync(Interlocked.Increment(ref next) & int.MaxValue) == 200)
                        times.Add(Stopwatch.GetElapsedTime(asked).TotalMilliseconds);
                    else
                        Interlocked.Increment(ref errors);
                }
            }
        }
    }

    /// <summary>The command line's server.</summary>
    private sealed class ServerProcess : IDisposable
    {
        private readonly Process process;
        private readonly HttpClient client;

        public ServerProcess(string model)
        {
            string program = Repository.At("artifacts/bin/MlNetTransfer.Cli/release/mlnet-transfer.dll");
            process = Process.Start(
                new ProcessStartInfo("dotnet", [program, "serve", model, "--listen", "127.0.0.1:0"])
                {
                    RedirectStandardError = true,
                }
            )!;
            string? line;
            do line = process.StandardError.ReadLine();
            while (line is not null && !line.StartsWith("Serving ", StringComparison.Ordinal));
            Address = new Uri(Regex.Match(line ?? "", @"on (http://\S+) until").Groups[1].Value);
            client = new HttpClient { BaseAddress = Address };
            _ = Task.Run(() => process.StandardError.ReadToEnd());
        }

        public Uri Address { get; }

        public bool IsAlive => !process.HasExited;

        public double Megabytes
        {
            get
            {
                process.Refresh();
                return process.WorkingSet64 / 1e6;
            }
        }

        public string Sha256() =>
            JsonDocument
                .Parse(client.GetStringAsync("/v1/models/bench").GetAwaiter().GetResult())
                .RootElement.GetProperty("version")
                .GetProperty("sha256")
                .GetString()!;

        public void Dispose()
        {
            process.Kill();
            process.Dispose();
            client.Dispose();
        }
    }
}
