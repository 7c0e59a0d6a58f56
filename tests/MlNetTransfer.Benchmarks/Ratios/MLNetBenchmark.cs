using BenchmarkDotNet.Attributes;
using MlNetTransfer.Benchmarks.Setup;

namespace MlNetTransfer.Benchmarks.Ratios;

/// <summary>FeaturizeImages beside ML.NET's own chain to DnnFeaturizeImage, and to ApplyOnnxModel.</summary>
public class MLNetBenchmark
{
    private const int Images = 4;
    private MLNetChains? chains;

    [GlobalSetup]
    public void Setup() =>
        chains = new MLNetChains(Drawings.Backbone(), [.. Drawings.Items(Images).Select(item => item.Name)]);

    [GlobalCleanup]
    public void Cleanup() => chains!.Dispose();

    [Benchmark(Baseline = true, OperationsPerInvoke = Images)]
    public void DnnFeaturizeImage() => chains!.DnnFeaturizeImage();

    [Benchmark(OperationsPerInvoke = Images)]
    public void FeaturizeImages() => chains!.FeaturizeImages();

    [Benchmark(OperationsPerInvoke = Images)]
    public void ApplyOnnxModel() => chains!.ApplyOnnxModel();
}
