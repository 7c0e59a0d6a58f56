using BenchmarkDotNet.Attributes;
using MlNetTransfer.Backbones;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks.Ratios;

/// <summary>Features of image files from the cache, beside computing them.</summary>
public class CacheBenchmark
{
    private const int Images = 4;
    private readonly DataItem[] items = Drawings.Items(Images);
    private FeatureExtractor? extractor;
    private Scratch? cache;

    [GlobalSetup]
    public void Setup()
    {
        cache = new Scratch();
        extractor = new FeatureExtractor(Drawings.Backbone());
        extractor.Extract(items, cache.Path);
        if (extractor.Extract(items, cache.Path).FromCache != Images)
            throw new InvalidOperationException("The features did not come from the cache.");
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        extractor!.Dispose();
        cache!.Dispose();
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Images)]
    public ItemRows Computed() => extractor!.Extract(items);

    [Benchmark(OperationsPerInvoke = Images)]
    public ItemRows Cached() => extractor!.Extract(items, cache!.Path);
}
