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

/// <summary>How many rows of each class each group has.</summary>
internal sealed class GroupTable
{
    private readonly int[] groupOfRow;

    /// <param name="labels">Labels [rows], at least 0.</param>
    /// <param name="groups">Group ids [rows], any numbers.</param>
    /// <param name="classNames">Names for the error; null to number them.</param>
    /// <exception cref="TransferException">A class has rows in one group only; the message names it.</exception>
    public GroupTable(ReadOnlySpan<int> labels, ReadOnlySpan<int> groups, IReadOnlyList<string>? classNames)
    {
        groupOfRow = new int[labels.Length];
        Classes = RowsByClass.Of(labels).Length;
        RowsPerClass = new int[Classes];
        var ids = new Dictionary<int, int>();
        var members = new List<SortedDictionary<int, int>>();
        for (int row = 0; row < labels.Length; row++)
        {
            if (!ids.TryGetValue(groups[row], out int group))
            {
                ids.Add(groups[row], group = ids.Count);
                members.Add([]);
            }

            groupOfRow[row] = group;
            members[group][labels[row]] = members[group].GetValueOrDefault(labels[row]) + 1;
            RowsPerClass[labels[row]]++;
        }

        Members = [.. members.Select(m => m.Select(e => (e.Key, e.Value)).ToArray())];
        Sizes = [.. Members.Select(m => m.Sum(e => e.Rows))];
        RefuseClassInOneGroup(classNames);
    }

    public int Classes { get; }

    /// <summary>Rows per class [classes].</summary>
    public int[] RowsPerClass { get; }

    /// <summary>
    /// The classes of each group and its rows of each, by label [groups][classes of the group]. Groups are numbered in
    /// the order in which they appear.
    /// </summary>
    public (int Label, int Rows)[][] Members { get; }

    /// <summary>Rows per group [groups].</summary>
    public int[] Sizes { get; }

    public int Rows => groupOfRow.Length;

    /// <summary>Gives each row what its group has.</summary>
    public int[] ToRows(int[] partOfGroup) => Array.ConvertAll(groupOfRow, group => partOfGroup[group]);

    public static string NameOf(int label, IReadOnlyList<string>? classNames) =>
        classNames is not null && label < classNames.Count ? $"'{classNames[label]}'" : $"{label}";

    private void RefuseClassInOneGroup(IReadOnlyList<string>? classNames)
    {
        var groups = new int[Classes];
        foreach ((int label, _) in Members.SelectMany(m => m))
            groups[label]++;
        int poor = Array.IndexOf(groups, 1);
        if (poor >= 0)
            throw new TransferException(
                $"Class {NameOf(poor, classNames)} has images of one group only ({RowsPerClass[poor]} "
                    + $"image{(RowsPerClass[poor] == 1 ? "" : "s")}), so it cannot stand on both sides of a split "
                    + $"that keeps groups together. Add images of a second group, or check the groups."
            );
    }
}

/// <summary>
/// Deals whole groups out to the parts of a split so that every class comes as near to its share in each part as a
/// greedy rule gets it.
/// </summary>
/// <remarks>
/// Largest groups first, groups of one size in random order. With a(c,p) rows of class c in part p so far, n(c) in all
/// and w(p) the part's share, the fault is Σ (a(c,p)/n(c) - w(p))² over classes and parts; each group goes where it
/// adds least to it, that is where Σ g(c)/n(c) · (a(c,p)/n(c) - w(p)) over its g(c) rows is least; of equals, to the
/// part that lacks most rows, then the first. For groups of one class each and equal shares, the classes' counts in the
/// parts are those of scikit-learn's StratifiedGroupKFold, up to the parts' order. Then, while a class is in one part
/// only, the group whose move costs least moves, if no other class is left in one part by it. For groups of one class
/// each, the parts of a class are then off their shares by at most half its largest group, or, where a group had to
/// move, by at most that group. O(groups · parts · classes per group).
/// </remarks>
internal sealed class GroupDealer
{
    private readonly GroupTable table;
    private readonly double[] shares;
    private readonly int[] partOfGroup;
    private readonly int[,] placed;
    private readonly int[] rows;

    private GroupDealer(GroupTable table, double[] shares)
    {
        (this.table, this.shares) = (table, shares);
        partOfGroup = new int[table.Members.Length];
        placed = new int[table.Classes, shares.Length];
        rows = new int[shares.Length];
    }

    /// <param name="labels">Labels [rows], at least 0.</param>
    /// <param name="groups">Group ids [rows], any numbers.</param>
    /// <param name="shares">Share of each part [parts]; they sum to 1.</param>
    /// <param name="seed">Orders groups of one size.</param>
    /// <param name="classNames">Names of the classes; null to go by their numbers.</param>
    /// <param name="digests">SHA-256 of each row's image [rows × 32]; empty to go by the order of the rows.</param>
    /// <returns>The part of each row [rows].</returns>
    /// <exception cref="ArgumentException">The lengths differ, or a label is negative.</exception>
    /// <exception cref="TransferException">A class is in one group only, or the groups tie it to one part.</exception>
    public static int[] Deal(
        ReadOnlySpan<int> labels,
        ReadOnlySpan<int> groups,
        double[] shares,
        int seed,
        IReadOnlyList<string>? classNames,
        ReadOnlySpan<byte> digests
    )
    {
        if (labels.Length != groups.Length)
            throw new ArgumentException(
                $"{groups.Length} groups cannot belong to {labels.Length} labels; one per row is needed.",
                nameof(groups)
            );
        var order = new DrawOrder(labels, classNames, digests, groups);
        return order.AsGiven(
            Deal(new GroupTable(order.Labels, order.Ordered(groups), order.ClassNames), shares, seed, order.ClassNames)
        );
    }

    private static int[] Deal(GroupTable table, double[] shares, int seed, IReadOnlyList<string>? classNames)
    {
        int[] order = [.. Enumerable.Range(0, table.Sizes.Length)];
        new Rng(seed).Shuffle<int>(order);
        var dealer = new GroupDealer(table, shares);
        foreach (int group in order.OrderByDescending(g => table.Sizes[g]))
            dealer.Put(group, dealer.BestPart(group));
        for (int label = 0; label < table.Classes; label++)
        {
            if (table.RowsPerClass[label] == 0 || dealer.Parts(label) > 1 || dealer.Spread(label))
                continue;
            string name = GroupTable.NameOf(label, classNames);
            throw new TransferException(
                $"Class {name} cannot be brought to both sides of a split: its groups hold other classes that would "
                    + $"be left on one side. "
                    + $"Divide those groups, or add images of {name} in a group of their own."
            );
        }

        return table.ToRows(dealer.partOfGroup);
    }

    private int BestPart(int group)
    {
        int best = 0;
        for (int part = 1; part < shares.Length; part++)
        {
            int order = Cost(group, part).CompareTo(Cost(group, best));
            if (order < 0 || (order == 0 && Lacks(part) > Lacks(best)))
                best = part;
        }

        return best;
    }

    private double Lacks(int part) => shares[part] * table.Rows - rows[part];

    private double Cost(int group, int part)
    {
        double cost = 0;
        foreach ((int label, int count) in table.Members[group])
        {
            double all = table.RowsPerClass[label];
            cost += count / all * (placed[label, part] / all - shares[part]);
        }

        return cost;
    }

    private void Put(int group, int part) => Add(group, partOfGroup[group] = part, 1);

    private void Add(int group, int part, int sign)
    {
        foreach ((int label, int count) in table.Members[group])
            placed[label, part] += sign * count;
        rows[part] += sign * table.Sizes[group];
    }

    private int Parts(int label) => Enumerable.Range(0, shares.Length).Count(part => placed[label, part] > 0);

    /// <summary>
    /// Moves a group of the class to another part; false where every move would leave another class in one part.
    /// </summary>
    private bool Spread(int label)
    {
        (double Cost, int Group, int Part)? best = null;
        for (int group = 0; group < partOfGroup.Length; group++)
        {
            if (!Array.Exists(table.Members[group], m => m.Label == label))
                continue;
            int from = partOfGroup[group];
            int[] spread = [.. table.Members[group].Select(m => m.Label).Where(c => Parts(c) > 1)];
            Add(group, from, -1);
            double stay = Cost(group, from);
            for (int part = 0; part < shares.Length; part++)
            {
                double cost = Cost(group, part) - stay;
                if (part == from || (best is not null && best.Value.Cost <= cost))
                    continue;
                Add(group, part, 1);
                if (Array.TrueForAll(spread, c => Parts(c) > 1))
                    best = (cost, group, part);
                Add(group, part, -1);
            }

            Add(group, from, 1);
        }

        if (best is null)
            return false;
        Add(best.Value.Group, partOfGroup[best.Value.Group], -1);
        Put(best.Value.Group, best.Value.Part);
        return true;
    }
}
