using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Pipelines;

/// <summary>What all steps of a context share. Immutable; an invalid instance cannot be made.</summary>
public sealed record TransferContextOptions
{
    /// <summary>Concurrent workers, in [1, 1024]; no result depends on it. Default: one per core.</summary>
    public int Workers { get; init => field = Check.InRange(value, 1, 1024); } = Environment.ProcessorCount;

    /// <summary>Rows that are in work at a time, in [1, 65536]: what bounds the memory. Default: 16 per core, at least 32.</summary>
    public int BatchRows { get; init => field = Check.InRange(value, 1, 65_536); } = Math.Max(32, 16 * Environment.ProcessorCount);

    /// <summary>What runs the graphs. Default the CPU. Another device must give the CPU's numbers on some of the images before it is used.</summary>
    public ExecutionProvider Device { get; init; }

    /// <summary>What an image may cost.</summary>
    public ImageLimits Limits { get; init; } = new();

    /// <summary>Cache for imported backbones and features. Default <see cref="MlNetTransfer.CacheFolder.Root"/>.</summary>
    public string CacheFolder { get; init => field = Check.NotEmpty(value); } = MlNetTransfer.CacheFolder.Root;

    /// <summary>Whether features are read from and stored in the cache. Default true.</summary>
    public bool CacheFeatures { get; init; } = true;

    /// <summary>
    /// Told of every row that cannot be used, which is then left out: rows are told in order, from the thread that reads. Default null: the first such row ends the
    /// work with an error that names it. Nothing is ever dropped silently.
    /// </summary>
    public Action<RejectedImage>? OnRejected { get; init; }
}
