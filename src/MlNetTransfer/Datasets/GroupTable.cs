namespace MlNetTransfer.Datasets;

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
