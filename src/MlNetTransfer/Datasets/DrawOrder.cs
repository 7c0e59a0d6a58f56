using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace MlNetTransfer.Datasets;

/// <summary>
/// Rows and classes in an order of their own, so that a draw depends on what the images and the classes are, not on how
/// they are listed.
/// </summary>
/// <remarks>
/// Rows stand in the order of their digests; rows with equal bytes in the order of their classes, then of the content
/// of their groups: what is still equal after that is interchangeable. Classes stand in the ordinal order of their
/// names, and each draws from a random stream of its own that is a function of the seed and its name.
/// </remarks>
internal sealed class DrawOrder
{
    private readonly string[] names;
    private readonly int[][] rowsOfClass;

    /// <param name="labels">Labels [rows], at least 0; a label without rows is allowed.</param>
    /// <param name="classNames">Names of the classes; null where they have none: then they go by their number.</param>
    /// <param name="digests">SHA-256 of each image [rows × 32]; empty where there is none: then rows stay in the order
    /// given.</param>
    /// <param name="groups">Group of each row [rows]; empty for none.</param>
    /// <exception cref="ArgumentException">A label is negative or has no name, or there is not one digest or group per
    /// row.</exception>
    public DrawOrder(
        ReadOnlySpan<int> labels,
        IReadOnlyList<string>? classNames,
        ReadOnlySpan<byte> digests = default,
        ReadOnlySpan<int> groups = default
    )
    {
        int classes = CountClasses(labels, classNames);
        names =
        [
            .. classNames ?? [.. Enumerable.Range(0, classes).Select(c => c.ToString(CultureInfo.InvariantCulture))],
        ];
        int[] byName = [.. Enumerable.Range(0, names.Length)];
        if (classNames is not null)
            Array.Sort(names, byName, StringComparer.Ordinal);
        ClassNames = classNames is null ? null : names;
        var rank = new int[names.Length];
        for (int i = 0; i < byName.Length; i++)
            rank[byName[i]] = i;

        Rows = Sorted(labels, rank, digests, groups);
        Labels = Ordered(labels);
        for (int i = 0; i < Labels.Length; i++)
            Labels[i] = rank[Labels[i]];
        rowsOfClass = RowsByClass.Of(Labels);
    }

    /// <summary>Where each row of this order stands in the list that was given [rows].</summary>
    public int[] Rows { get; }

    /// <summary>The label of each row in this order [rows]: an index into <see cref="ClassNames"/>.</summary>
    public int[] Labels { get; }

    /// <summary>The classes in this order; null where they have no names.</summary>
    public IReadOnlyList<string>? ClassNames { get; }

    /// <summary>What belongs to the rows, put into this order.</summary>
    public int[] Ordered(ReadOnlySpan<int> values)
    {
        var ordered = new int[Rows.Length];
        for (int i = 0; i < ordered.Length; i++)
            ordered[i] = values[Rows[i]];
        return ordered;
    }

    /// <summary>What belongs to the rows of this order, put into the order given.</summary>
    public int[] AsGiven(int[] ordered)
    {
        var given = new int[Rows.Length];
        for (int i = 0; i < ordered.Length; i++)
            given[Rows[i]] = ordered[i];
        return given;
    }

    /// <summary>The rows of one class after the other, as they were given, in random order.</summary>
    public IEnumerable<int[]> Shuffled(int seed)
    {
        var rng = new Rng(seed);
        for (int c = 0; c < rowsOfClass.Length; c++)
        {
            byte[] name = SHA256.HashData(Encoding.UTF8.GetBytes(names[c]));
            rng.Restart(
                (uint)seed,
                BinaryPrimitives.ReadUInt64BigEndian(name),
                BinaryPrimitives.ReadUInt64BigEndian(name.AsSpan(8))
            );
            int[] rows = Array.ConvertAll(rowsOfClass[c], row => Rows[row]);
            rng.Shuffle<int>(rows);
            yield return rows;
        }
    }

    private static int CountClasses(ReadOnlySpan<int> labels, IReadOnlyList<string>? classNames)
    {
        int classes = RowsByClass.Of(labels).Length;
        if (classNames is not null && classNames.Count < classes)
            throw new ArgumentException(
                $"Label {classes - 1} has no name: there are {classNames.Count} class names. Give one per class.",
                nameof(classNames)
            );
        return classes;
    }

    private static int[] Sorted(
        ReadOnlySpan<int> labels,
        int[] rank,
        ReadOnlySpan<byte> digests,
        ReadOnlySpan<int> groups
    )
    {
        int[] rows = [.. Enumerable.Range(0, labels.Length)];
        if (digests.IsEmpty)
            return rows;
        const int size = SHA256.HashSizeInBytes;
        if (digests.Length != (long)size * rows.Length)
            throw new ArgumentException(
                $"{digests.Length} bytes of digests cannot belong to {rows.Length} rows; {size} per row are needed.",
                nameof(digests)
            );
        Dictionary<int, UInt128> contents = Contents(labels, rank, digests, groups);
        var keys = new (UInt128 High, UInt128 Low, int Class, UInt128 Group, int Row)[rows.Length];
        for (int row = 0; row < keys.Length; row++)
        {
            ReadOnlySpan<byte> digest = digests.Slice(row * size, size);
            UInt128 high = BinaryPrimitives.ReadUInt128BigEndian(digest),
                low = BinaryPrimitives.ReadUInt128BigEndian(digest[16..]);
            keys[row] = (high, low, rank[labels[row]], groups.IsEmpty ? 0 : contents[groups[row]], row);
        }

        Array.Sort(keys, rows);
        return rows;
    }

    /// <summary>
    /// A number for what each group holds: the sum of hashes of its rows, which does not depend on their order.
    /// </summary>
    private static Dictionary<int, UInt128> Contents(
        ReadOnlySpan<int> labels,
        int[] rank,
        ReadOnlySpan<byte> digests,
        ReadOnlySpan<int> groups
    )
    {
        var contents = new Dictionary<int, UInt128>();
        Span<byte> row = stackalloc byte[SHA256.HashSizeInBytes + sizeof(int)],
            hash = stackalloc byte[SHA256.HashSizeInBytes];
        for (int i = 0; i < groups.Length; i++)
        {
            digests.Slice(i * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes).CopyTo(row);
            BinaryPrimitives.WriteInt32BigEndian(row[SHA256.HashSizeInBytes..], rank[labels[i]]);
            SHA256.HashData(row, hash);
            contents[groups[i]] = unchecked(
                contents.GetValueOrDefault(groups[i]) + BinaryPrimitives.ReadUInt128BigEndian(hash)
            );
        }

        return contents;
    }
}
