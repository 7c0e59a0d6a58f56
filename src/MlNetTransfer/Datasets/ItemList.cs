namespace MlNetTransfer.Datasets;

/// <summary>
/// Makes a data set of a list's rows. Faults of the list are errors with their line; faults of single images go to the
/// ledger.
/// </summary>
/// <param name="source">The list's file; relative paths start at its folder.</param>
/// <param name="options">How to read it; whether its rows are texts.</param>
internal sealed class ItemList(string source, DatasetOptions options)
{
    private const int MostShown = 80;

    private readonly bool isOfTexts = options.TextColumn is not null;
    private readonly string folder = Path.GetDirectoryName(Path.GetFullPath(source))!;
    private readonly Dictionary<string, ListRow> seen = new(
        OperatingSystem.IsWindows() || OperatingSystem.IsMacOS()
            ? StringComparer.OrdinalIgnoreCase
            : StringComparer.Ordinal
    );
    private readonly List<(DataItem Item, ListRow Row)> found = [];
    private readonly List<RejectedItem> rejected = [];
    private readonly HashSet<string> labels = new(StringComparer.Ordinal);
    private readonly SortedSet<string> unused = new(StringComparer.Ordinal);
    private ListColumns? columns;

    /// <summary>The images in the list's order, whatever it says of them.</summary>
    public Dataset Unlabelled(IEnumerable<ListRow> rows, ListLimits limits)
    {
        foreach (ListRow row in Within(rows, limits))
            Add(row);
        return found.Count + rejected.Count == 0
            ? throw new TransferException($"'{source}' lists no {Things}.")
            : new Dataset(source, [], [.. found.Select(f => f.Item)], rejected);
    }

    /// <summary>The images with their labels, groups and split, ordered by name.</summary>
    public Dataset Labelled(IEnumerable<ListRow> rows, DatasetOptions options)
    {
        foreach (ListRow row in Within(rows, options.Lists))
            Add(Checked(row));
        if (labels.Count == 0)
            throw new TransferException($"'{source}' lists no {Things}.");
        string[] classes = [.. labels.Order(StringComparer.Ordinal)];
        if (classes.Length < options.MinimumClasses)
            throw new TransferException(
                $"'{source}' has one class only ('{classes[0]}'). A classifier needs {Things} of at least two classes."
            );
        ClassList.RefuseTwins(source, classes);
        HashSet<string?> used = [.. found.Select(f => f.Row.Label)];
        if (Array.Find(classes, c => !used.Contains(c)) is { } empty)
            throw new TransferException(
                $"'{source}' has no {Things[..^1]} of class '{empty}' that can be used; the first of {rejected.Count} "
                    + $"rejected: {rejected[0].File}: {rejected[0].Reason}. "
                    + (
                        isOfTexts
                            ? "Give texts of it, or remove its rows."
                            : $"Check the paths: they start at '{folder}'."
                    )
            );
        RefuseGroupsOnTwoSides();
        if (!isOfTexts)
            found.Sort(
                (a, b) =>
                    string.CompareOrdinal(a.Item.Name, b.Item.Name) is var order and not 0
                        ? order
                        : a.Row.Line.CompareTo(b.Row.Line)
            );
        return new Dataset(
            source,
            classes,
            [
                .. found.Select(f =>
                    f.Item with
                    {
                        Label = Array.BinarySearch(classes, f.Row.Label, StringComparer.Ordinal),
                    }
                ),
            ],
            rejected
        )
        {
            Splits = found.Exists(f => f.Row.Split is not null) ? [.. found.Select(f => Part(f.Row))] : null,
            UnusedColumns = [.. unused],
        };
    }

    private IEnumerable<ListRow> Within(IEnumerable<ListRow> rows, ListLimits limits)
    {
        int count = 0;
        foreach (ListRow row in rows)
            yield return ++count <= limits.MaxRows
                ? row
                : throw new TransferException(
                    $"'{source}', line {row.Line}: more than {limits.MaxRows} {Things}, the most allowed. Divide the "
                        + $"list, or raise {nameof(ListLimits.MaxRows)}."
                );
    }

    private ListRow Checked(ListRow row)
    {
        if (columns != row.Columns)
            unused.UnionWith((columns = row.Columns).Unused);
        string label = ClassList.Trimmed(row.Label ?? "");
        if (label.Length == 0)
            throw new TransferException(
                $"'{source}', line {row.Line}, {row.Columns.LabelName}: the label is empty; expected the class of "
                    + $"'{Shown(row)}'. Fill it in, or remove the line."
            );
        if (label.Any(char.IsControl))
            throw new TransferException(
                $"'{source}', line {row.Line}, {row.Columns.LabelName}: '{Printable(label)}' has a line break or "
                    + $"control character in it; expected one line of text. Is a closing quote missing?"
            );
        string? split = row.Split?.Trim() is { Length: > 0 } word ? word : null;
        if (split is not null && SplitNames.Parse(split) is null)
            throw new TransferException(
                $"'{source}', line {row.Line}, {row.Columns.SplitName}: the split is '{Printable(split)}'; expected "
                    + $"{SplitNames.Expected}."
            );
        labels.Add(label);
        return row with
        {
            Label = label,
            Group = row.Group?.Trim() is { Length: > 0 } group ? group : null,
            Split = split,
        };
    }

    private void Add(ListRow row)
    {
        if (isOfTexts)
            AddText(row);
        else
            AddFile(row);
    }

    /// <summary>Rows of equal texts are all kept: splits keep them together, and the report names them.</summary>
    private void AddText(ListRow row)
    {
        if (string.IsNullOrWhiteSpace(row.Path))
            rejected.Add(new RejectedItem(Name(row), "the text is empty"));
        else
            found.Add((new DataItem(new TextLocation(row.Path), Name(row), DataItem.NoLabel, row.Group), row));

        static string Name(ListRow row) => FormattableString.Invariant($"line {row.Line}");
    }

    private void AddFile(ListRow row)
    {
        if (string.IsNullOrWhiteSpace(row.Path))
            throw new TransferException(
                $"'{source}', line {row.Line}, {row.Columns.PathName}: the path is empty; expected that of an "
                    + $"image. Fill it in, or remove the line."
            );
        if (row.Path.Contains('\0'))
        {
            Reject(row, "the path has a NUL character in it");
            return;
        }

        string path = Path.GetFullPath(row.Path, folder);
        if (!seen.TryAdd(path, row))
        {
            RefuseContradiction(seen[path], row);
            Reject(row, $"is listed on line {seen[path].Line} already; only that line is used");
        }
        else if (!File.Exists(path))
            Reject(
                row,
                $"{(Directory.Exists(path) ? "is a folder, expected an image file" : "the file does not exist")} "
                    + $"(looked for '{path}'){Hint(row.Path)}"
            );
        else
            found.Add((new DataItem(path, row.Path, DataItem.NoLabel, row.Group), row));
    }

    private void Reject(ListRow row, string reason) =>
        rejected.Add(new RejectedItem(Printable(row.Path), Printable($"line {row.Line}: {reason}")));

    private void RefuseContradiction(ListRow first, ListRow second)
    {
        if (labels.Count == 0)
            return;
        if (first.Label != second.Label)
            throw Contradiction("labels", first.Label, second.Label);
        if (Part(first) != Part(second))
            throw Contradiction("splits", first.Split, second.Split);
        if (first.Group != second.Group)
            throw Contradiction("groups", first.Group, second.Group);

        TransferException Contradiction(string what, string? one, string? other) =>
            new(
                $"'{source}' gives '{Printable(first.Path)}' two {what}: '{one}' on line {first.Line} and '{other}' "
                    + $"on line {second.Line}. Remove the wrong line."
            );
    }

    private void RefuseGroupsOnTwoSides()
    {
        var first = new Dictionary<string, ListRow>(StringComparer.Ordinal);
        foreach ((_, ListRow row) in found)
        {
            if (
                row.Group is null
                || row.Split is null
                || first.TryAdd(row.Group, row)
                || Part(first[row.Group]) == Part(row)
            )
                continue;
            throw new TransferException(
                $"'{source}' has group '{row.Group}' in two parts of the split: '{first[row.Group].Split}' on line "
                    + $"{first[row.Group].Line} and '{row.Split}' on line {row.Line}. A group must be in one part, "
                    + $"or the evaluation is of images like those trained on."
            );
        }
    }

    private static SplitPart Part(ListRow row) =>
        row.Split is null ? SplitPart.None : SplitNames.Parse(row.Split) ?? SplitPart.None;

    private static string Hint(string path) =>
        path.Contains('\\') && !OperatingSystem.IsWindows()
            ? "; the path has backslashes, folders are separated by '/' here"
        : path.Length != path.Trim().Length ? "; the path begins or ends with a blank"
        : "";

    private string Things => isOfTexts ? "texts" : "images";

    /// <summary>A path, or the beginning of a text.</summary>
    private static string Shown(ListRow row) =>
        Printable(row.Path.Length <= MostShown ? row.Path : row.Path[..MostShown] + "…");

    private static string Printable(string text) => new([.. text.Select(c => char.IsControl(c) ? '?' : c)]);
}

/// <summary>The rules that every source's class names keep.</summary>
internal static class ClassList
{
    /// <summary>A label as it counts: blanks around it do not.</summary>
    public static string Trimmed(string label) => label.Trim();

    /// <exception cref="TransferException">Two names differ in case only, or look the same.</exception>
    public static void RefuseTwins(string source, IReadOnlyCollection<string> classes)
    {
        if (classes.GroupBy(c => c, StringComparer.OrdinalIgnoreCase).FirstOrDefault(g => g.Count() > 1) is { } same)
            throw new TransferException(
                $"'{source}' has classes that differ in case only: {string.Join(", ", same.Select(c => $"'{c}'"))}. "
                    + $"They are one folder on Windows and macOS: merge them or rename one."
            );
        if (LookAlikes.Find(classes) is var (one, other))
            throw new TransferException(
                $"'{source}' has classes that look the same: {LookAlikes.Describe(one, other)}. They would be two "
                    + $"classes: write both alike, or rename one."
            );
    }
}
