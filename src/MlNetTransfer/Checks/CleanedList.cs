using MlNetTransfer.Datasets;

namespace MlNetTransfer.Checks;

/// <summary>A list of the images of a data set without some of them: path, label and, where they apply, group and
/// split.</summary>
internal static class CleanedList
{
    /// <summary>Names of the images that are left out.</summary>
    /// <param name="findings">The findings.</param>
    /// <param name="drop">Kinds whose images are left out, besides those that are unreadable or there twice.</param>
    public static HashSet<string> LeftOut(IEnumerable<DataFinding> findings, IReadOnlySet<FindingKind> drop) =>
        findings
            .Where(f => f.Files.Count > 0 && (f.Kind == FindingKind.Unreadable || f.Exact || drop.Contains(f.Kind)))
            .Select(f => f.Files[0])
            .ToHashSet(StringComparer.Ordinal);

    /// <summary>The columns of the list.</summary>
    public static IReadOnlyList<string> Columns(Dataset data) =>
        [
            "path",
            "label",
            .. data.Items.Any(item => item.Group is not null) ? ["group"] : (string[])[],
            .. data.Splits is not null ? ["split"] : (string[])[],
        ];

    /// <summary>The rows of the list.</summary>
    /// <param name="data">The data set; all its images are files.</param>
    /// <param name="leftOut">Names of images that are left out.</param>
    /// <param name="folder">The list's folder, where its paths start.</param>
    public static IEnumerable<IEnumerable<object?>> Rows(Dataset data, HashSet<string> leftOut, string folder)
    {
        IReadOnlyList<string> columns = Columns(data);
        for (int i = 0; i < data.Items.Count; i++)
        {
            DataItem item = data.Items[i];
            if (leftOut.Contains(item.Name))
                continue;
            string path = Path.GetRelativePath(folder, Path.GetFullPath(((FileLocation)item.Location).Path));
            List<object?> row = [path.Replace(Path.DirectorySeparatorChar, '/'), data.ClassNames[item.Label]];
            if (columns.Contains("group"))
                row.Add(item.Group);
            if (data.Splits is not null)
                row.Add(Written(data.Splits[i]));
            yield return row;
        }
    }

    private static string? Written(SplitPart part) =>
        part switch
        {
            SplitPart.Train => "train",
            SplitPart.Validation => "val",
            SplitPart.Test => "test",
            _ => null,
        };
}
