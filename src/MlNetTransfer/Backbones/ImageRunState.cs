using System.Security.Cryptography;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

/// <summary>What the workers of a run share: each writes to the places of its own images only.</summary>
/// <param name="items">The images.</param>
/// <param name="width">Numbers per row.</param>
/// <param name="cache">Rows known from before.</param>
/// <param name="stage">How the work is called in progress reports.</param>
/// <param name="progress">Told after every image.</param>
internal sealed class ImageRunState(
    IReadOnlyList<ImageItem> items,
    int width,
    IRowCache? cache,
    string stage,
    IProgress<JobProgress>? progress
)
{
    private readonly float[] values = new float[Length(items.Count, width)];
    private readonly byte[] digests = new byte[items.Count * SHA256.HashSizeInBytes];
    private readonly string?[] reasons = new string?[items.Count];
    private int next = -1;
    private int done;
    private int cached;

    public int Count => items.Count;

    public bool Next(out int index) => (index = Interlocked.Increment(ref next)) < items.Count;

    public Span<float> Row(int index) => values.AsSpan(index * width, width);

    private Span<byte> Digest(int index) => digests.AsSpan(index * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes);

    public void Reject(int index, string reason) => reasons[index] = reason;

    private static int Length(long images, long width) =>
        images * width <= Array.MaxLength
            ? (int)(images * width)
            : throw new TransferException(
                $"{images:N0} images with {width:N0} numbers each are more than one run can hold; at most "
                    + $"{Array.MaxLength / width:N0} images. Run fewer at a time, or take a narrower tap."
            );

    /// <summary>
    /// Reads an image's file; false where its row is decided without decoding: known to the cache, or not readable.
    /// </summary>
    public bool TryRead(int index, ImageItemReader reader, out ReadOnlySpan<byte> encoded)
    {
        encoded = default;
        try
        {
            encoded = reader.Read(items[index]);
            SHA256.HashData(encoded, Digest(index));
            if (cache is null || !cache.TryRead(Digest(index), Row(index)))
                return true;
            Interlocked.Increment(ref cached);
        }
        catch (ImageRejectedException e)
        {
            Reject(index, e.Reason);
        }

        return false;
    }

    /// <summary>Stores a finished row in the cache.</summary>
    public void Keep(int index) => cache?.Add(Digest(index), Row(index));

    public void CountDone()
    {
        int count = Interlocked.Increment(ref done);
        progress?.Report(new JobProgress(stage, count, items.Count));
    }

    public ImageRows Collect(TimeSpan elapsed)
    {
        int[] accepted = [.. Enumerable.Range(0, items.Count).Where(i => reasons[i] is null)];
        var rejected = Enumerable
            .Range(0, items.Count)
            .Where(i => reasons[i] is not null)
            .Select(i => new RejectedImage(items[i].Name, reasons[i]!))
            .ToArray();
        for (int row = 0; row < accepted.Length; row++)
        {
            if (accepted[row] == row)
                continue;
            Row(accepted[row]).CopyTo(Row(row));
            Digest(accepted[row]).CopyTo(Digest(row));
        }

        return new ImageRows
        {
            Accepted = accepted,
            Values = accepted.Length == items.Count ? values : values[..(accepted.Length * width)],
            Digests = accepted.Length == items.Count ? digests : digests[..(accepted.Length * SHA256.HashSizeInBytes)],
            Width = width,
            Rejected = rejected,
            FromCache = cached,
            Elapsed = elapsed,
        };
    }
}
