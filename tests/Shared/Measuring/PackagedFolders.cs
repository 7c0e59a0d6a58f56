using MlNetTransfer.Datasets;

namespace MlNetTransfer.Tests.Shared;

/// <summary>Image tasks made of the folders of a Debian package, read at run time.</summary>
internal static class PackagedFolders
{
    public static Dataset Read(
        string root,
        string package,
        SearchOption depth,
        IReadOnlyList<(string Class, string Folder)> classes
    )
    {
        if (!Directory.Exists(root))
            throw new TransferException($"'{root}' is missing: install Debian's package {package}.");
        IEnumerable<DataItem> items = classes.SelectMany(
            (c, label) =>
                Directory
                    .EnumerateFiles(Path.Combine(root, c.Folder), "*.png", depth)
                    .Order(StringComparer.Ordinal)
                    .Select(f => new DataItem(
                        f,
                        $"{c.Class}/{Path.GetRelativePath(Path.Combine(root, c.Folder), f)}",
                        label
                    ))
        );
        return new Dataset(root, [.. classes.Select(c => c.Class)], [.. items], []);
    }

    /// <summary>Writes a task as a list that the command line reads.</summary>
    public static void WriteList(Dataset data, string path) =>
        File.WriteAllLines(
            path,
            [
                "path,label",
                .. data.Items.Select(i => $"\"{((FileLocation)i.Location).Path}\",{data.ClassNames[i.Label]}"),
            ]
        );
}
