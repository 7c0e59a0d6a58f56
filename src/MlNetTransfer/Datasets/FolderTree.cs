namespace MlNetTransfer.Datasets;

/// <summary>Walks a folder.</summary>
internal static class FolderTree
{
    /// <param name="folder">The folder.</param>
    /// <param name="linkedLevels">How many levels down a link to a folder counts as that folder; further down it stands
    /// in the ledger, since links can be endless.</param>
    public static ImageTree Read(string folder, int linkedLevels)
    {
        var files = new List<ImageItem>();
        var folders = new HashSet<string>(StringComparer.Ordinal);
        var rejected = new List<RejectedImage>();
        Walk(folder, "", linkedLevels);
        return new ImageTree(folder, files, folders, rejected);

        void Walk(string path, string under, int linked)
        {
            foreach (FileSystemInfo entry in List(path))
            {
                string name = under + entry.Name;
                if (entry is FileInfo)
                    files.Add(new ImageItem(Path.Combine(path, entry.Name), name));
                else if (linked <= 0 && entry.LinkTarget is not null)
                    rejected.Add(
                        new RejectedImage(name, "is a link to a folder; links below a class folder are not followed")
                    );
                else
                {
                    folders.Add(name);
                    Walk(Path.Combine(path, entry.Name), name + "/", linked - 1);
                }
            }
        }
    }

    /// <summary>Names of the folders directly in a folder.</summary>
    public static IEnumerable<string> FoldersIn(string folder) =>
        List(folder).OfType<DirectoryInfo>().Select(d => d.Name);

    private static List<FileSystemInfo> List(string folder)
    {
        try
        {
            return
            [
                .. new DirectoryInfo(folder)
                    .EnumerateFileSystemInfos(
                        "*",
                        new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = false }
                    )
                    .Where(e => !Leftovers.Is(e.Name)),
            ];
        }
        catch (DirectoryNotFoundException e)
        {
            throw new TransferException(
                File.Exists(folder)
                    ? $"'{folder}' is a file; a folder was expected."
                    : $"Folder '{folder}' does not exist. Check the path.",
                e
            );
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new TransferException(
                $"Folder '{folder}' cannot be read: {e.Message.TrimEnd('.')}. Check its permissions and the disk.",
                e
            );
        }
    }
}
