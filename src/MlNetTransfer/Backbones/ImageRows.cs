using System.Security.Cryptography;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Backbones;

/// <summary>What a graph gave for a list of images. Independent of the number of workers.</summary>
public sealed class ImageRows
{
    /// <summary>
    /// Indices into the list of images: the images that have a row [rows]. Ascending, unless <see cref="Sort"/> was
    /// called.
    /// </summary>
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

    /// <summary>Puts the rows into another order, in place: they may take up most of the memory.</summary>
    /// <param name="order">The place where each row of the new order stands now [rows].</param>
    internal void Sort(int[] order)
    {
        int[] accepted = [.. order.Select(row => Accepted[row])];
        accepted.CopyTo(Accepted, 0);
        Permute(Values, Width, order);
        Permute(Digests, SHA256.HashSizeInBytes, order);
    }

    /// <summary>Follows each cycle of the permutation, with one row outside the array.</summary>
    private static void Permute<T>(T[] values, int width, int[] order)
    {
        var kept = new T[width];
        var done = new bool[order.Length];
        for (int start = 0; start < order.Length; start++)
        {
            if (done[start])
                continue;
            Row(start).CopyTo(kept);
            int to = start;
            for (; order[to] != start; to = order[to])
            {
                Row(order[to]).CopyTo(Row(to));
                done[to] = true;
            }

            kept.CopyTo(Row(to));
            done[to] = true;
        }

        Span<T> Row(int row) => values.AsSpan(row * width, width);
    }
}
