using System.Buffers.Binary;

namespace MlNetTransfer.Models;

/// <summary>
/// The images that a model was trained on, as short hashes of their files: enough to know one again, too little to make
/// one. Immutable.
/// </summary>
/// <remarks>
/// The first 8 bytes of SHA-256: among 100,000 images and as many others, one other is taken for a known one with a
/// probability of 10¹⁰ / 2⁶⁴, five in ten billion. Of more images than <see cref="Most"/>, the lowest hashes are kept.
/// </remarks>
public sealed class ImageHashes
{
    /// <summary>Hashes kept at most; about 1 MB in a model file.</summary>
    public const int Most = 100_000;

    private const int Length = 8,
        DigestLength = 32;
    private readonly ulong[] sorted;

    private ImageHashes(ulong[] sorted) => this.sorted = sorted;

    /// <summary>Number of different images.</summary>
    public int Count => sorted.Length;

    /// <summary>Whether all images are known; else only those whose hashes are among the lowest.</summary>
    public bool AreAll => sorted.Length < Most;

    /// <summary>The hashes of some images.</summary>
    /// <param name="digests">SHA-256 of files [images × 32].</param>
    /// <param name="rows">The images that count.</param>
    public static ImageHashes Of(byte[] digests, IEnumerable<int> rows)
    {
        ArgumentNullException.ThrowIfNull(digests);
        return new ImageHashes([
            .. rows.Select(row => Hash(digests.AsSpan(row * DigestLength))).Distinct().Order().Take(Most),
        ]);
    }

    /// <summary>Reads what <see cref="ToString"/> wrote.</summary>
    /// <exception cref="FormatException">It is no such text.</exception>
    public static ImageHashes Parse(string text)
    {
        byte[] bytes = Convert.FromBase64String(text);
        if (bytes.Length % Length != 0 || bytes.Length > Most * Length)
            throw new FormatException($"{bytes.Length} bytes are no list of hashes of {Length} bytes.");
        var values = new ulong[bytes.Length / Length];
        for (int i = 0; i < values.Length; i++)
            values[i] = Hash(bytes.AsSpan(i * Length));
        for (int i = 1; i < values.Length; i++)
            if (values[i] <= values[i - 1])
                throw new FormatException("The hashes are not in order.");
        return new ImageHashes(values);
    }

    /// <summary>Whether an image is one of these.</summary>
    /// <param name="digest">SHA-256 of its file [32].</param>
    public bool Contains(ReadOnlySpan<byte> digest) => Array.BinarySearch(sorted, Hash(digest)) >= 0;

    /// <summary>The hashes, each with its high byte first, rising, in base64.</summary>
    public override string ToString()
    {
        var bytes = new byte[sorted.Length * Length];
        for (int i = 0; i < sorted.Length; i++)
            BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(i * Length), sorted[i]);
        return Convert.ToBase64String(bytes);
    }

    private static ulong Hash(ReadOnlySpan<byte> digest) => BinaryPrimitives.ReadUInt64BigEndian(digest);
}
