namespace MlNetTransfer.Datasets;

/// <summary>What a folder or an archive holds, before anyone asks which folders are classes.</summary>
/// <param name="Source">The folder or archive; named in errors.</param>
/// <param name="Files">The files, unlabelled; each name is its path in the source, with '/'.</param>
/// <param name="Folders">Paths of the folders in the source, empty ones included, with '/'.</param>
/// <param name="Rejected">What was found and is not a file that could be an image.</param>
internal sealed record ImageTree(
    string Source,
    IReadOnlyList<ImageItem> Files,
    IReadOnlySet<string> Folders,
    IReadOnlyList<RejectedImage> Rejected
)
{
    /// <summary>Names of the folders directly in a folder, in ordinal order.</summary>
    /// <param name="under">"" for the source itself, else a path that ends with '/'.</param>
    public string[] FoldersIn(string under) =>
        [
            .. Folders
                .Where(f => f.StartsWith(under, StringComparison.Ordinal))
                .Select(f => f[under.Length..])
                .Where(f => !f.Contains('/'))
                .Order(StringComparer.Ordinal),
        ];

    public bool HasFileIn(string under) => FilesIn(under) > 0;

    /// <summary>How many files lie directly in a folder.</summary>
    public int FilesIn(string under) =>
        Files.Count(f => f.Name.StartsWith(under, StringComparison.Ordinal) && f.Name.IndexOf('/', under.Length) < 0);

    /// <summary>The unlabelled images, ordered by name.</summary>
    public ImageDataset Unlabelled(string whatToGive)
    {
        if (Files.Count == 0)
            throw new TransferException($"'{Source}' holds no files{Lost()}. {whatToGive}");
        return new ImageDataset(Source, [], [.. Files.OrderBy(f => f.Name, StringComparer.Ordinal)], Rejected);
    }

    public string Lost() =>
        Rejected.Count == 0
            ? ""
            : $" that can be used; the first of {Rejected.Count} rejected: {Rejected[0].File}: {Rejected[0].Reason}";
}
