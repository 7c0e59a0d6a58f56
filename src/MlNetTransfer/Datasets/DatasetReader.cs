namespace MlNetTransfer.Datasets;

/// <summary>The one door for data: looks at what a source is, and reads it.</summary>
/// <remarks>
/// A folder of class folders: see <see cref="ImageFolder"/>. A folder whose folders are the parts of a split (train,
/// val, test or another of their names), train and another at least, each with the same class folders in it: a pre-made
/// split. The same two in a .zip, below one common folder where there is one; entries are inflated into memory one at a
/// time, never to the disk. A .csv (RFC 4180, or with semicolons), .tsv, .jsonl or .ndjson list with path and label,
/// and where they apply group and split (train, val, test), see <see cref="DatasetOptions.PathColumn"/> for other
/// names; relative paths start at the list's folder, absolute paths and '..' are allowed, since the list's author
/// chooses the files. A list may have texts instead of paths, see <see cref="DatasetOptions.TextColumn"/>. Everything
/// that is found and not used is in the ledger, <see cref="Dataset.Rejected"/>.
/// </remarks>
public static class DatasetReader
{
    private const string Formats = "a folder, .csv, .tsv, .jsonl, .ndjson or .zip";

    /// <summary>Reads labelled images, to train or to evaluate.</summary>
    /// <param name="source">A folder, a list or an archive.</param>
    /// <param name="options">How to read; null for the defaults.</param>
    /// <exception cref="TransferException">The source is missing, is of no known kind or is not as it has to be; the
    /// message names the place and the fix.</exception>
    public static Dataset Read(string source, DatasetOptions? options = null)
    {
        options ??= new DatasetOptions();
        return KindOf(source, options) switch
        {
            SourceKind.Folder => Classes(
                FolderTree.Read(source, FolderTree.FoldersIn(source).All(f => SplitNames.Parse(f) is not null) ? 2 : 1),
                options
            ),
            SourceKind.Zip => Classes(ZipTree.WithoutCommonTop(ZipTree.Read(source, options.Zip)), options),
            SourceKind kind => new ItemList(source, options).Labelled(
                Rows(source, kind, labelled: true, options),
                options
            ),
        };
    }

    /// <summary>
    /// Reads images without labels, to predict: every file in a folder or archive, every row of a list in its order.
    /// </summary>
    /// <param name="source">A folder, a list or an archive; what a list says of labels, groups and splits is passed
    /// over.</param>
    /// <param name="options">How to read; null for the defaults.</param>
    /// <exception cref="TransferException">The source is missing, is of no known kind or is not as it has to
    /// be.</exception>
    public static Dataset ReadUnlabelled(string source, DatasetOptions? options = null)
    {
        options ??= new DatasetOptions();
        return KindOf(source, options) switch
        {
            SourceKind.Folder => FolderTree
                .Read(source, linkedLevels: 0)
                .Unlabelled("Give a folder of images or an image file."),
            SourceKind.Zip => ZipTree.Read(source, options.Zip).Unlabelled("Give an archive of images."),
            SourceKind kind => new ItemList(source, options).Unlabelled(
                Rows(source, kind, labelled: false, options),
                options.Lists
            ),
        };
    }

    /// <summary>
    /// Whether a path is a source of many images (a folder, or a list or archive by its name) rather than one image.
    /// </summary>
    public static bool IsSource(string path) => Directory.Exists(path) || ByName(path) is not null;

    private static Dataset Classes(FileTree tree, DatasetOptions options) =>
        SplitFolders.TryRead(tree, options) ?? ClassFolders.Of(tree, options);

    private static IEnumerable<ListRow> Rows(string source, SourceKind kind, bool labelled, DatasetOptions options) =>
        kind == SourceKind.JsonLines
            ? JsonLineRows.Read(source, labelled, options)
            : CsvRows.Read(source, kind == SourceKind.Tsv ? '\t' : null, labelled, options);

    private static SourceKind KindOf(string source, DatasetOptions options)
    {
        if (options.TextColumn is not null && (Directory.Exists(source) || ByName(source) is SourceKind.Zip))
            throw new TransferException(
                $"'{source}' is no list, so it has no column '{options.TextColumn}' of texts (--text-column). Give a "
                    + ".csv, .tsv, .jsonl or .ndjson list; or leave --text-column out where each text is a file."
            );
        if (Directory.Exists(source))
            return SourceKind.Folder;
        SourceKind? kind = ByName(source);
        if (kind is not null && File.Exists(source))
            return kind.Value;
        throw new TransferException(
            File.Exists(source)
                ? $"'{source}' is a file of no known kind. Give {Formats}."
                : $"'{source}' does not exist. Check the path; give {Formats}."
        );
    }

    private static SourceKind? ByName(string path) =>
        Path.GetExtension(path).ToUpperInvariant() switch
        {
            ".CSV" => SourceKind.Csv,
            ".TSV" => SourceKind.Tsv,
            ".JSONL" or ".NDJSON" => SourceKind.JsonLines,
            ".ZIP" => SourceKind.Zip,
            _ => null,
        };

    private enum SourceKind
    {
        Folder,
        Csv,
        Tsv,
        JsonLines,
        Zip,
    }
}

/// <summary>How to read a data set. Immutable; an invalid instance cannot be made.</summary>
public sealed record DatasetOptions
{
    /// <summary>
    /// Fewest classes accepted; in [1, 2³¹ - 1]: 2 to train a classifier, 1 to evaluate one. Default 2.
    /// </summary>
    public int MinimumClasses
    {
        get;
        init => field = Check.InRange(value, 1, int.MaxValue);
    } = 2;

    /// <summary>
    /// Whether class folders without a file are passed over; <see cref="Dataset.EmptyClasses"/> names them. Default
    /// false: they are refused.
    /// </summary>
    public bool AllowEmptyClasses { get; init; }

    /// <summary>Whether the caller has an option for a column of texts, which errors may then name.</summary>
    internal bool TakesTexts { get; init; } = true;

    /// <summary>
    /// What to do with unknown columns of a list. Default: pass them over; <see cref="Dataset.UnusedColumns"/>
    /// names them.
    /// </summary>
    public ExtraColumns ExtraColumns { get; init; } = ExtraColumns.Ignore;

    /// <summary>
    /// The column of a list that has the paths, in any case. Default null: path, ImagePath, ImageSource, image, file or
    /// filename, whichever is there.
    /// </summary>
    public string? PathColumn
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// The column of a list that has texts, in any case, instead of paths: each row is then an item of its own, called
    /// by its line. Default null: a list names files.
    /// </summary>
    public string? TextColumn
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// The column of a list that has the labels, in any case. Default null: label or class, whichever is there.
    /// </summary>
    public string? LabelColumn
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>What a list may cost.</summary>
    public ListLimits Lists { get; init; } = new();

    /// <summary>What an archive may cost.</summary>
    public ZipLimits Zip { get; init; } = new();
}

/// <summary>Images or texts with labels, in an order that does not depend on the file system.</summary>
/// <param name="Source">Where the items came from; named in errors.</param>
/// <param name="ClassNames">The classes in ordinal order; the index is the label.</param>
/// <param name="Items">The items, ordered by name (ordinal); texts of a list, and images to predict from one, keep the
/// list's order.</param>
/// <param name="Rejected">Files that could not become an item, and why.</param>
public sealed record Dataset(
    string Source,
    IReadOnlyList<string> ClassNames,
    IReadOnlyList<DataItem> Items,
    IReadOnlyList<RejectedItem> Rejected
)
{
    /// <summary>
    /// The part of the pre-made split that each item belongs to [items]; null where the source has no split of its
    /// own.
    /// </summary>
    public IReadOnlyList<SplitPart>? Splits { get; init; }

    /// <summary>Columns of a list that mean nothing here and had no effect.</summary>
    public IReadOnlyList<string> UnusedColumns { get; init; } = [];

    /// <summary>
    /// Classes whose folders hold no file, which are no classes therefore; see
    /// <see cref="DatasetOptions.AllowEmptyClasses"/>.
    /// </summary>
    public IReadOnlyList<string> EmptyClasses { get; init; } = [];

    /// <summary>Items per class [classes].</summary>
    public int[] CountPerClass()
    {
        var counts = new int[ClassNames.Count];
        foreach (DataItem item in Items)
            counts[item.Label]++;
        return counts;
    }
}
