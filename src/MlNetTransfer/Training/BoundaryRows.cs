using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Onnx.Runtime;

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
    private readonly ItemGraph? graph;
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
        (Length, Encoder, Augmentation, Limits, this.seed) = (network.RowLength, space.Encoder, images, limits, seed);
        if (network.Prefix is null)
            return;
        byte[] onnx = network.Prefix.ToBytes();
        long record = HalfRow.PackedLength(Length) * sizeof(float) + 40L;
        capacity = cacheBytes / record;
        graph = new ItemGraph(onnx, SplitNetwork.Boundary, space.Encoder, limits);
        try
        {
            string[] parts = [SplitNetwork.Boundary, "float16", images.Key()];
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

    /// <summary>What makes the network's input.</summary>
    public ContentEncoder Encoder { get; }

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

/// <summary>
/// Reads rows at the freeze boundary, from the cache or through decoder, augmentation and prefix. Not thread-safe: one
/// per worker.
/// </summary>
internal sealed class BoundaryReader : IDisposable
{
    private readonly BoundaryRows rows;
    private readonly ItemGraphWorker? prefix;
    private readonly EncoderWorker plain;
    private readonly ImageAugmenter? augmenter;
    private readonly ItemReader files;
    private readonly RowTensor<float> tensor;
    private readonly float[] packed;

    /// <param name="rows">What the workers share.</param>
    /// <param name="prefix">Runs the frozen part; disposed here. Null where there is none.</param>
    public BoundaryReader(BoundaryRows rows, ItemGraphWorker? prefix)
    {
        (this.rows, this.prefix) = (rows, prefix);
        plain = rows.Encoder.CreateWorker(rows.Limits);
        if (rows.Encoder is ImageEncoder images)
            augmenter = new ImageAugmenter(images.Preprocessing, rows.Augmentation, rows.Limits);
        files = new ItemReader(rows.Limits);
        tensor = (RowTensor<float>)rows.Encoder.Inputs.Single().Rows("input", 1);
        packed = new float[prefix is null ? 0 : HalfRow.PackedLength(rows.Length)];
    }

    /// <summary>Reads one row.</summary>
    /// <param name="item">The image.</param>
    /// <param name="digest">SHA-256 of its bytes [32].</param>
    /// <param name="draw">0 for the image as it is scored, else the variant.</param>
    /// <param name="row">Receives the row.</param>
    /// <exception cref="TransferException">The image is not what it was any more.</exception>
    public void Read(DataItem item, ReadOnlySpan<byte> digest, int draw, Span<float> row)
    {
        try
        {
            if (prefix is null)
                Decode(item, digest, draw, row);
            else
            {
                Pack(item, digest, draw, row);
                HalfRow.Unpack(packed, row);
            }
        }
        catch (ImageRejectedException cause)
        {
            throw new TransferException(
                $"{item.Name} could be used before and cannot any more: {cause.Reason}. Run again when the images "
                    + $"do not change.",
                cause
            );
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        prefix?.Dispose();
        plain.Dispose();
        augmenter?.Dispose();
        files.Dispose();
    }

    private void Pack(DataItem item, ReadOnlySpan<byte> digest, int draw, Span<float> row)
    {
        Span<byte> key = stackalloc byte[SHA256.HashSizeInBytes];
        rows.Key(digest, draw, key);
        if (rows.TryRead(key, packed))
            return;
        Decode(item, digest, draw, tensor[0]);
        prefix!.Run(tensor[0], row);
        HalfRow.Pack(row, packed);
        rows.Keep(key, packed);
    }

    private void Decode(DataItem item, ReadOnlySpan<byte> digest, int draw, Span<float> target)
    {
        ReadOnlySpan<byte> encoded = files.Read(item);
        Span<byte> found = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(encoded, found);
        if (!found.SequenceEqual(digest))
            throw new ImageRejectedException("its content has changed");
        if (draw > 0)
        {
            augmenter!.Process(encoded, rows.Draw(digest, draw), target);
            return;
        }

        plain.Encode(encoded, new EncodedItem([tensor], 0));
        if (target != tensor[0])
            tensor[0].CopyTo(target);
    }
}

/// <summary>The folder with the activations of all runs: the oldest give way to those of the run that begins.</summary>
internal static class BoundaryFolder
{
    /// <summary>
    /// Opens the cache of a feature space; deletes the files that were not used for longest where all together take
    /// more than they may.
    /// </summary>
    public static FeatureCache Open(string folder, FeatureSpace space, int width, long largest)
    {
        string own = Convert.ToHexStringLower(space.Key());
        if (Directory.Exists(folder))
        {
            FileInfo[] files =
            [
                .. new DirectoryInfo(folder).GetFiles("*.features").OrderByDescending(f => f.LastWriteTimeUtc),
            ];
            long sum = files.Where(f => f.Name.StartsWith(own, StringComparison.Ordinal)).Sum(f => f.Length);
            foreach (FileInfo file in files.Where(f => !f.Name.StartsWith(own, StringComparison.Ordinal)))
            {
                sum += file.Length;
                if (sum > largest / 2)
                    TryDelete(file);
            }
        }

        return new FeatureCache(folder, space, width);
    }

    private static void TryDelete(FileInfo file)
    {
        try
        {
            file.Delete();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // In use by another run, or not ours to delete: the cache then takes more than it should, and nothing else
            // happens.
        }
    }
}

/// <summary>
/// Rows of activations in half the space: IEEE half precision after division by a power of two, which keeps every row
/// in range without costing a bit.
/// </summary>
/// <remarks>
/// A packed row is the divisor as float32, then the halves, two to a float. The error is at most 2⁻¹¹ of a value, and
/// 2⁻²⁴ of the divisor where values underflow.
/// </remarks>
internal static class HalfRow
{
    private const float Largest = 32768;

    /// <summary>Floats that a packed row takes.</summary>
    public static int PackedLength(int length) => 1 + (length + 1) / 2;

    /// <summary>Packs a row.</summary>
    /// <param name="row">Finite values.</param>
    /// <param name="packed">Receives them [<see cref="PackedLength"/>].</param>
    public static void Pack(ReadOnlySpan<float> row, Span<float> packed)
    {
        float top = row.IsEmpty ? 0 : MathF.Abs(TensorPrimitives.MaxMagnitude(row)),
            scale = 1;
        while (top / scale > Largest)
            scale *= 2;
        packed[0] = scale;
        Span<Half> halves = MemoryMarshal.Cast<float, Half>(packed[1..]);
        halves[^1] = (Half)0f;
        if (scale == 1)
        {
            TensorPrimitives.ConvertToHalf(row, halves);
            return;
        }

        for (int i = 0; i < row.Length; i++)
            halves[i] = (Half)(row[i] / scale);
    }

    /// <summary>Unpacks a row.</summary>
    public static void Unpack(ReadOnlySpan<float> packed, Span<float> row)
    {
        TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<float, Half>(packed[1..])[..row.Length], row);
        if (packed[0] != 1)
            TensorPrimitives.Multiply(row, packed[0], row);
    }
}

/// <summary>Rows kept in memory by key, for runs that must not write a cache. Thread-safe.</summary>
internal sealed class MemoryRows : IRowCache
{
    private readonly ConcurrentDictionary<string, float[]> rows = new();

    public bool TryRead(ReadOnlySpan<byte> image, Span<float> row)
    {
        if (!rows.TryGetValue(Convert.ToHexString(image), out float[]? kept))
            return false;
        kept.CopyTo(row);
        return true;
    }

    public void Add(ReadOnlySpan<byte> image, ReadOnlySpan<float> row) =>
        rows.TryAdd(Convert.ToHexString(image), row.ToArray());
}
