using MlNetTransfer.Datasets;

namespace MlNetTransfer.Backbones;

/// <summary>What a graph gave for a list of images. Independent of the number of workers.</summary>
public sealed class ImageRows
{
    /// <summary>Indices into the list of images, ascending: the images that have a row [rows].</summary>
    public required int[] Accepted { get; init; }

    /// <summary>The rows [rows × width], row-major, in the order of <see cref="Accepted"/>.</summary>
    public required float[] Values { get; init; }

    /// <summary>Numbers per row.</summary>
    public required int Width { get; init; }

    /// <summary>SHA-256 of each accepted image's file [rows × 32].</summary>
    public required byte[] Digests { get; init; }

    /// <summary>The images without a row and why, in the order of the list.</summary>
    public required IReadOnlyList<RejectedImage> Rejected { get; init; }

    /// <summary>Rows that came from the cache.</summary>
    public required int FromCache { get; init; }

    /// <summary>Wall time.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Images per second of wall time, rejected and cached ones included.</summary>
    public double ImagesPerSecond => (Accepted.Length + Rejected.Count) / Math.Max(Elapsed.TotalSeconds, 1e-9);

    /// <summary>One row [width].</summary>
    public ReadOnlySpan<float> Row(int row) => Values.AsSpan(row * Width, Width);
}
