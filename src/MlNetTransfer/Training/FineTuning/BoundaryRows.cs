using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using MlNetTransfer.Backbones;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;

namespace MlNetTransfer.Training;

/// <summary>
/// Rows at the freeze boundary: computed once for each image and variant, then read from the cache. Thread-safe; each
/// reader is not.
/// </summary>
/// <remarks>
/// Variant 0 is the image as it is scored, every other an augmented draw that depends on the seed, the image's content
/// and the number of the variant alone. Rows are stored under all that they depend on, so that none can be stale, as
/// float16 (<see cref="HalfRow"/>); what is not in the cache is computed, and rounded alike, so that a full or deleted
/// cache changes no result. Without a prefix a row is the image, which is decoded each time.
/// </remarks>
internal sealed class BoundaryRows : IDisposable
{
    private readonly ImageGraph? graph;
    private readonly IRowCache? cache;
    private readonly long capacity;
    private readonly int seed;
    private long kept;

    /// <param name="network">The network, cut at the boundary.</param>
    /// <param name="space">What the rows depend on besides the prefix and the augmentation.</param>
    /// <param name="images">How variants are made.</param>
    /// <param name="cacheFolder">Where rows are kept; null for memory.</param>
    /// <param name="limits">What an image may cost.</param>
    /// <param name="cacheBytes">What the rows of all runs may take.</param>
    /// <param name="seed">Seed of the variants.</param>
    public BoundaryRows(
        SplitNetwork network,
        FeatureSpace space,
        AugmentationOptions images,
        string? cacheFolder,
        ImageLimits limits,
        long cacheBytes,
        int seed
    )
    {
        (Length, Preprocessing, Augmentation, Limits, this.seed) = (
            network.RowLength,
            space.Preprocessing,
            images,
            limits,
            seed
        );
        if (network.Prefix is null)
            return;
        byte[] onnx = network.Prefix.ToBytes();
        long record = HalfRow.PackedLength(Length) * sizeof(float) + 40L;
        capacity = cacheBytes / record;
        graph = new ImageGraph(onnx, SplitNetwork.Boundary, space.Preprocessing, limits);
        try
        {
            string[] parts = [SplitNetwork.Boundary, "float16", JsonSerializer.Serialize(images)];
            cache = cacheFolder is null
                ? new MemoryRows()
                : BoundaryFolder.Open(
                    cacheFolder,
                    space with
                    {
                        Graph = Convert.ToHexStringLower(SHA256.HashData(onnx)),
                        Taps = parts,
                    },
                    HalfRow.PackedLength(Length),
                    cacheBytes
                );
            kept = (cache as FeatureCache)?.Count ?? 0;
        }
        catch
        {
            graph.Dispose();
            throw;
        }
    }

    /// <summary>Numbers of a row.</summary>
    public int Length { get; }

    /// <summary>Whether rows are worth computing ahead.</summary>
    public bool IsCached => graph is not null;

    public Preprocessing Preprocessing { get; }

    public AugmentationOptions Augmentation { get; }

    public ImageLimits Limits { get; }

    public BoundaryReader CreateReader() => new(this, graph?.CreateWorker());

    /// <summary>What a row is stored under.</summary>
    public void Key(ReadOnlySpan<byte> digest, int draw, Span<byte> key)
    {
        digest.CopyTo(key);
        if (draw == 0)
            return;
        Span<byte> text = stackalloc byte[SHA256.HashSizeInBytes + 2 * sizeof(int)];
        digest.CopyTo(text);
        BinaryPrimitives.WriteInt32LittleEndian(text[SHA256.HashSizeInBytes..], seed);
        BinaryPrimitives.WriteInt32LittleEndian(text[(SHA256.HashSizeInBytes + sizeof(int))..], draw);
        SHA256.HashData(text, key);
    }

    /// <summary>
    /// The variant that an epoch sees: one of those kept, in turn; without a prefix nothing is kept, and every epoch
    /// sees another one.
    /// </summary>
    public int DrawOf(int epoch, int draws) => IsCached ? 1 + (epoch - 1) % draws : epoch;

    public AugmentationDraw Draw(ReadOnlySpan<byte> digest, int draw) => AugmentationDraw.Of(seed, digest, draw);

    public bool TryRead(ReadOnlySpan<byte> key, Span<float> packed) => cache is not null && cache.TryRead(key, packed);

    public void Keep(ReadOnlySpan<byte> key, ReadOnlySpan<float> packed)
    {
        if (cache is not null && Interlocked.Increment(ref kept) <= capacity)
            cache.Add(key, packed);
    }

    public void Dispose()
    {
        graph?.Dispose();
        (cache as IDisposable)?.Dispose();
    }
}
