using BenchmarkDotNet.Attributes;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks.Ratios;

/// <summary>
/// Predictions of a hosted model under eight callers, beside one session behind a lock; each caller asks again as soon
/// as it is answered.
/// </summary>
public class HostingBenchmark
{
    private const int PerCaller = 2;
    private static readonly Scratch Folder = new();
    private static readonly Lazy<string> Model = new(() => ServedModel.Train(Folder.Path));
    private byte[][] images = [];
    private ServedModel? model;

    [GlobalSetup]
    public void Setup()
    {
        images = [.. Drawings.Files.Select(File.ReadAllBytes)];
        model = new ServedModel(Model.Value);
    }

    [GlobalCleanup]
    public void Cleanup() => model!.Dispose();

    [Benchmark(Baseline = true, OperationsPerInvoke = PerCaller * ServedModel.Callers)]
    public void SessionBehindLock() => Call(model!.Bare);

    [Benchmark(OperationsPerInvoke = PerCaller * ServedModel.Callers)]
    public void Hosted() => Call(model!.Hosted);

    private void Call(Func<byte[], Task>[] callers)
    {
        int next = -1;
        ServedModel.CallAll(
            callers,
            async call =>
            {
                for (int i = 0; i < PerCaller; i++)
                    await call(images[Interlocked.Increment(ref next) % images.Length]);
            }
        );
    }
}
