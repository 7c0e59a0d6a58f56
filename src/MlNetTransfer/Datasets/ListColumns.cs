namespace MlNetTransfer.Datasets;

/// <summary>Which of a list's columns is which; names in any case, blanks around them do not count.</summary>
internal sealed class ListColumns
{
    public const string Known = "path, label, group, split";

    /// <summary>Index of the column with the content: paths, or texts.</summary>
    private const int Path = 0,
        Label = 1,
        Group = 2,
        Split = 3;
    private static readonly string[][] Names =
    [
        ["path", "ImagePath", "ImageSource", "image", "file", "filename"],
        ["label", "class"],
        ["group"],
        ["split"],
    ];
    private readonly string[] switches;
    private readonly int[] index = [-1, -1, -1, -1];
    private readonly string place;
    private readonly string noun;
    private readonly string[] header;
    private readonly string?[] asked;
    private readonly bool takesTexts;

    /// <param name="place">The list and the line, for errors.</param>
    /// <param name="noun">What the list calls them: column or field.</param>
    /// <param name="header">Their names.</param>
    /// <param name="labelled">Whether labels, groups and splits count; otherwise the path alone does.</param>
    /// <param name="options">Names that were asked for, and what to do with other columns.</param>
    /// <exception cref="TransferException">A column is there twice, or could be one of two; or there is no path; or one
    /// is unknown, where that is refused.</exception>
    public ListColumns(string place, string noun, string[] header, bool labelled, DatasetOptions options)
    {
        (this.place, this.noun, this.header, asked) = (
            place,
            noun,
            header,
            [options.TextColumn ?? options.PathColumn, options.LabelColumn, null, null]
        );
        takesTexts = options.TakesTexts;
        switches = [options.TextColumn is null ? "--path-column" : "--text-column", "--label-column"];
        int[] wanted = labelled ? [Path, Label, Group, Split] : [Path];
        foreach (int column in wanted.OrderByDescending(c => asked[c] is not null))
            index[column] = Single(column);
        Unused = [.. header.Where((_, i) => !index.Contains(i)).Select(name => name.Trim())];
        if (
            options.ExtraColumns == ExtraColumns.Refuse
            && Array.Find(Unused, name => !Names.Any(known => Is(known, name))) is { } extra
        )
            throw new TransferException(
                $"{place}: the unknown {noun} '{extra}'. Known {noun}s: {Known}. Found: {Found}. Remove it, or have "
                    + $"it ignored."
            );
        Require(Path);
    }

    /// <summary>Names, in any case, of a column of paths where none was asked for.</summary>
    public static IReadOnlyList<string> PathNames => Names[Path];

    /// <summary>Names of all columns, without blanks around them.</summary>
    public IReadOnlyList<string> Header => field ??= [.. header.Select(name => name.Trim())];

    /// <summary>The columns that mean nothing here.</summary>
    public string[] Unused { get; }

    /// <summary>How errors name the columns.</summary>
    public string PathName => NameOf(Path);

    /// <inheritdoc cref="PathName"/>
    public string LabelName => NameOf(Label);

    /// <inheritdoc cref="PathName"/>
    public string SplitName => NameOf(Split);

    private string Found => string.Join(", ", header.Select(name => name.Trim()));

    /// <summary>Whether a header has a column with the content.</summary>
    public static bool HasPath(IEnumerable<string> header, DatasetOptions options) =>
        header.Any(name =>
            (options.TextColumn ?? options.PathColumn) is { } asked ? Is([asked], name) : Is(Names[Path], name)
        );

    /// <exception cref="TransferException">There is no label.</exception>
    public void RequireLabel() => Require(Label);

    /// <summary>Whether the fields are called as these are.</summary>
    public bool Fits(IEnumerable<string> names) => header.SequenceEqual(names, StringComparer.Ordinal);

    /// <summary>Whether a field counts.</summary>
    public bool Uses(int field) => index.Contains(field);

    /// <param name="line">The row's line.</param>
    /// <param name="fields">Its fields, one per column.</param>
    public ListRow Row(long line, string?[] fields)
    {
        return new ListRow(line, Field(Path) ?? "", Field(Label), Field(Group), Field(Split), this) { Fields = fields };

        string? Field(int column) => index[column] < 0 ? null : fields[index[column]];
    }

    private static bool Is(string[] known, string name) =>
        Array.Exists(known, k => name.AsSpan().Trim().Equals(k.AsSpan().Trim(), StringComparison.OrdinalIgnoreCase));

    private string NameOf(int column) =>
        $"{noun} '{(index[column] >= 0 ? header[index[column]].Trim() : asked[column] ?? Names[column][0])}'";

    private int Single(int column)
    {
        string[] names = asked[column] is { } name ? [name] : Names[column];
        int[] found = [.. Enumerable.Range(0, header.Length).Where(i => !index.Contains(i) && Is(names, header[i]))];
        if (found.Length < 2)
            return found.Length == 0 ? -1 : found[0];
        (string one, string other) = (header[found[0]].Trim(), header[found[1]].Trim());
        string where = $"({noun}s {found[0] + 1} and {found[1] + 1} of {header.Length})";
        throw new TransferException(
            one.Equals(other, StringComparison.OrdinalIgnoreCase)
                ? $"{place}: the {noun} '{names.First(n => Is([n], one))}' twice {where}; expected once. Remove one."
                : $"{place}: two {noun}s that could be the {Names[column][0]}: '{one}' and '{other}' {where}; "
                    + $"expected one. Say which: {switches[column]} {one}, or {switches[column]} {other}."
        );
    }

    private void Require(int column)
    {
        if (index[column] >= 0)
            return;
        string expected = asked[column] is null
            ? $"Expected one of {string.Join(", ", Names[column])}, in any case; name another with {switches[column]}"
                + (column == Path && takesTexts ? ", or a column of texts with --text-column." : ".")
            : $"It was asked for with {switches[column]}.";
        string hint =
            header is [var only] && only.Contains('|')
                ? " The columns seem to be separated by '|': commas or semicolons are expected in .csv files, tabs "
                    + "in .tsv files."
                : "";
        throw new TransferException($"{place}: no {NameOf(column)}. Found: {Found}. {expected}{hint}");
    }
}

/// <summary>A row of a list as it was written; nothing is checked yet.</summary>
/// <param name="Line">Line of the file, from 1; of a row over several lines, the first.</param>
/// <param name="Path">The image's path, or the text.</param>
/// <param name="Label">Its class; null where the list does not say.</param>
/// <param name="Group">Its group; null where the list does not say.</param>
/// <param name="Split">Its part of the split; null where the list does not say.</param>
/// <param name="Columns">What the list calls these, for errors.</param>
internal sealed record ListRow(long Line, string Path, string? Label, string? Group, string? Split, ListColumns Columns)
{
    /// <summary>All its fields, one per column; of JSON those that were asked for.</summary>
    public IReadOnlyList<string?> Fields { get; init; } = [];
}

/// <summary>What to do with columns of a list that mean nothing here.</summary>
public enum ExtraColumns
{
    /// <summary>They are an error, so that a misspelt "group" or "split" is not silently without effect.</summary>
    Refuse,

    /// <summary>They are passed over.</summary>
    Ignore,
}

/// <summary>What an untrusted list of images may cost.</summary>
public sealed record ListLimits
{
    /// <summary>Most images in the list; in [1, 10⁹]. Default 10 million.</summary>
    public int MaxRows
    {
        get;
        init => field = Check.InRange(value, 1, 1_000_000_000);
    } = 10_000_000;

    /// <summary>Longest row in characters, newlines inside quotes included; in [1, 2³⁰]. Default 65,536.</summary>
    public int MaxRowLength
    {
        get;
        init => field = Check.InRange(value, 1, 1 << 30);
    } = 1 << 16;
}
