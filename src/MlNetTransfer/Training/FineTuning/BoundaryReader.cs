using System.Security.Cryptography;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;

namespace MlNetTransfer.Training;

/// <summary>
/// Reads rows at the freeze boundary, from the cache or through decoder, augmentation and prefix. Not thread-safe: one
/// per worker.
/// </summary>
internal sealed class BoundaryReader : IDisposable
{
    private readonly BoundaryRows rows;
    private readonly ImageGraphWorker? prefix;
    private readonly ImagePreprocessor plain;
    private readonly ImageAugmenter augmenter;
    private readonly ImageItemReader files;
    private readonly float[] tensor;
    private readonly float[] packed;

    /// <param name="rows">What the workers share.</param>
    /// <param name="prefix">Runs the frozen part; disposed here. Null where there is none.</param>
    public BoundaryReader(BoundaryRows rows, ImageGraphWorker? prefix)
    {
        (this.rows, this.prefix) = (rows, prefix);
        plain = new ImagePreprocessor(rows.Preprocessing, rows.Limits);
        augmenter = new ImageAugmenter(rows.Preprocessing, rows.Augmentation, rows.Limits);
        files = new ImageItemReader(rows.Limits);
        tensor = new float[rows.Preprocessing.TensorLength];
        packed = new float[prefix is null ? 0 : HalfRow.PackedLength(rows.Length)];
    }

    /// <summary>Reads one row.</summary>
    /// <param name="item">The image.</param>
    /// <param name="digest">SHA-256 of its bytes [32].</param>
    /// <param name="draw">0 for the image as it is scored, else the variant.</param>
    /// <param name="row">Receives the row.</param>
    /// <exception cref="TransferException">The image is not what it was any more.</exception>
    public void Read(ImageItem item, ReadOnlySpan<byte> digest, int draw, Span<float> row)
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
        augmenter.Dispose();
        files.Dispose();
    }

    private void Pack(ImageItem item, ReadOnlySpan<byte> digest, int draw, Span<float> row)
    {
        Span<byte> key = stackalloc byte[SHA256.HashSizeInBytes];
        rows.Key(digest, draw, key);
        if (rows.TryRead(key, packed))
            return;
        Decode(item, digest, draw, tensor);
        prefix!.Run(tensor, row);
        HalfRow.Pack(row, packed);
        rows.Keep(key, packed);
    }

    private void Decode(ImageItem item, ReadOnlySpan<byte> digest, int draw, Span<float> target)
    {
        ReadOnlySpan<byte> encoded = files.Read(item);
        Span<byte> found = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(encoded, found);
        if (!found.SequenceEqual(digest))
            throw new ImageRejectedException("its content has changed");
        if (draw == 0)
            plain.Process(encoded, target);
        else
            augmenter.Process(encoded, rows.Draw(digest, draw), target);
    }
}
