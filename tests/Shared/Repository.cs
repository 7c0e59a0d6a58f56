namespace MlNetTransfer.Tests.Shared;

/// <summary>Files of the repository that tests use.</summary>
internal static class Repository
{
    private static readonly string Root = Find(new DirectoryInfo(AppContext.BaseDirectory));

    /// <summary>Full path of a file or folder of the repository.</summary>
    public static string At(string relative) => Path.Combine(Root, relative);

    private static string Find(DirectoryInfo? folder)
    {
        for (; folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "MlNetTransfer.sln")))
                return folder.FullName;
        throw new InvalidOperationException(
            "The tests run from a checkout; MlNetTransfer.sln was not found above them."
        );
    }
}
