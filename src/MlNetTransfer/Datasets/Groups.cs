namespace MlNetTransfer.Datasets;

/// <summary>Groups of rows as splits take them: one id per row, equal ids for rows that must stay together.</summary>
public static class Groups
{
    /// <summary>Groups by name.</summary>
    /// <param name="names">A name per row [rows]; a row without one (null) is a group of its own.</param>
    /// <returns>Ids [rows], counted from 0 in the order in which the groups appear.</returns>
    public static int[] Of(IEnumerable<string?> names)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        int next = 0;
        return
        [
            .. names.Select(name =>
                name is null ? next++
                : ids.TryGetValue(name, out int id) ? id
                : ids[name] = next++
            ),
        ];
    }

    /// <summary>Groups of byte-identical images.</summary>
    /// <param name="digests">A digest of each image's bytes [rows × length].</param>
    /// <param name="length">Bytes per digest, at least 1: 32 for SHA-256.</param>
    /// <returns>Ids [rows], counted from 0 in the order in which the groups appear.</returns>
    public static int[] OfDigests(ReadOnlySpan<byte> digests, int length = 32)
    {
        Check.InRange(length, 1, int.MaxValue, nameof(length));
        if (digests.Length % length != 0)
            throw new ArgumentException(
                $"{digests.Length} bytes are not a whole number of digests of {length} bytes.",
                nameof(digests)
            );
        var names = new string[digests.Length / length];
        for (int row = 0; row < names.Length; row++)
            names[row] = Convert.ToHexString(digests.Slice(row * length, length));
        return Of(names);
    }

    /// <summary>
    /// Groups of images that must stay together: those of one named group and, where digests are given, those that are
    /// byte for byte the same.
    /// </summary>
    /// <param name="names">A name per row [rows]; null for a row of its own.</param>
    /// <param name="digests">SHA-256 of each image [rows × 32]; empty for none.</param>
    /// <returns>Ids [rows]; null where every row stands alone.</returns>
    internal static int[]? Linking(IEnumerable<string?> names, ReadOnlySpan<byte> digests)
    {
        int[] groups = Of(names);
        if (!digests.IsEmpty)
            groups = Combine(groups, OfDigests(digests));
        return groups.Distinct().Count() < groups.Length ? groups : null;
    }

    /// <summary>
    /// Joins groupings: rows that any of them keeps together stay together, and so do rows that are linked through
    /// others (union-find).
    /// </summary>
    /// <param name="groupings">Any ids per row, at least one grouping [groupings][rows], all of one length.</param>
    /// <returns>Ids [rows], counted from 0 in the order in which the groups appear.</returns>
    public static int[] Combine(params ReadOnlySpan<int[]> groupings)
    {
        if (groupings.IsEmpty)
            throw new ArgumentException("No grouping was given; at least one is needed.", nameof(groupings));
        int[] parent = [.. Enumerable.Range(0, groupings[0].Length)];
        foreach (int[] grouping in groupings)
        {
            if (grouping.Length != parent.Length)
                throw new ArgumentException(
                    $"A grouping has {grouping.Length} rows, the first has {parent.Length}; all need the same.",
                    nameof(groupings)
                );
            var first = new Dictionary<int, int>();
            for (int row = 0; row < grouping.Length; row++)
                if (!first.TryAdd(grouping[row], row))
                    Union(first[grouping[row]], row);
        }

        var ids = new Dictionary<int, int>();
        var combined = new int[parent.Length];
        for (int row = 0; row < combined.Length; row++)
        {
            int root = Root(row);
            if (!ids.TryGetValue(root, out combined[row]))
                ids.Add(root, combined[row] = ids.Count);
        }

        return combined;

        // The lower row becomes the root; halving the paths keeps them short.
        void Union(int a, int b)
        {
            (a, b) = (Root(a), Root(b));
            parent[Math.Max(a, b)] = Math.Min(a, b);
        }

        int Root(int row)
        {
            while (parent[row] != row)
                row = parent[row] = parent[parent[row]];
            return row;
        }
    }
}
