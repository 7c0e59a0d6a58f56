namespace MlNetTransfer.Datasets;

/// <summary>The one door for images: looks at what a source is, and reads it.</summary>
/// <remarks>
/// A folder of class folders: see <see cref="ImageFolder"/>. A folder whose folders are the parts of a split (train,
/// val, test or another of their names), train and another at least, each with the same class folders in it: a pre-made
/// split. The same two in a .zip, below one common folder where there is one; entries are inflated into memory one at a
/// time, never to the disk. A .csv (RFC 4180, or with semicolons), .tsv, .jsonl or .ndjson list with path and label,
/// and where they apply group and split (train, val, test), see <see cref="DatasetOptions.PathColumn"/> for other
/// names; relative paths start at the list's folder, absolute paths and '..' are allowed, since the list's author
/// chooses the files. Everything that is found and not used is in the ledger, <see cref="ImageDataset.Rejected"/>.
/// </remarks>
public static class DatasetReader
{
    private const string Formats = "a folder, .csv, .tsv, .jsonl, .ndjson or .zip";

    /// <summary>Reads labelled images, to train or to evaluate.</summary>
    /// <param name="source">A folder, a list or an archive.</param>
    /// <param name="options">How to read; null for the defaults.</param>
    /// <exception cref="TransferException">The source is missing, is of no known kind or is not as it has to be; the
    /// message names the place and the fix.</exception>
    public static ImageDataset Read(string source, DatasetOptions? options = null)
    {
        options ??= new DatasetOptions();
        return KindOf(source) switch
        {
            SourceKind.Folder => Classes(
                FolderTree.Read(source, FolderTree.FoldersIn(source).All(f => SplitNames.Parse(f) is not null) ? 2 : 1),
                options
            ),
            SourceKind.Zip => Classes(ImageZip.WithoutCommonTop(ImageZip.Read(source, options.Zip)), options),
            SourceKind kind => new ImageList(source).Labelled(Rows(source, kind, labelled: true, options), options),
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
    public static ImageDataset ReadUnlabelled(string source, DatasetOptions? options = null)
    {
        options ??= new DatasetOptions();
        return KindOf(source) switch
        {
            SourceKind.Folder => FolderTree
                .Read(source, linkedLevels: 0)
                .Unlabelled("Give a folder of images or an image file."),
            SourceKind.Zip => ImageZip.Read(source, options.Zip).Unlabelled("Give an archive of images."),
            SourceKind kind => new ImageList(source).Unlabelled(
                Rows(source, kind, labelled: false, options),
                options.Lists
            ),
        };
    }

    /// <summary>
    /// Whether a path is a source of many images (a folder, or a list or archive by its name) rather than one image.
    /// </summary>
    public static bool IsSource(string path) => Directory.Exists(path) || ByName(path) is not null;

    private static ImageDataset Classes(ImageTree tree, DatasetOptions options) =>
        SplitFolders.TryRead(tree, options.MinimumClasses) ?? ClassFolders.Of(tree, options.MinimumClasses);

    private static IEnumerable<ListRow> Rows(string source, SourceKind kind, bool labelled, DatasetOptions options) =>
        kind == SourceKind.JsonLines
            ? JsonLineRows.Read(source, labelled, options)
            : CsvRows.Read(source, kind == SourceKind.Tsv ? '\t' : null, labelled, options);

    private static SourceKind KindOf(string source)
    {
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
