namespace MlNetTransfer;

/// <summary>Where things are kept that belong to the user and cannot be made again.</summary>
public static class DataFolder
{
    /// <summary>Environment variable that names another root.</summary>
    public const string Variable = "MLNETTRANSFER_HOME";

    /// <summary>
    /// The root: MLNETTRANSFER_HOME where it is set, else "mlnet-transfer" under the user's data folder. It is not
    /// created.
    /// </summary>
    public static string Root
    {
        get
        {
            string? chosen = Environment.GetEnvironmentVariable(Variable);
            return string.IsNullOrWhiteSpace(chosen) ? UserData() : Path.GetFullPath(chosen);
        }
    }

    /// <summary>The folder for one kind of things, under the root. It is not created.</summary>
    public static string For(string kind) => Path.Combine(Root, kind);

    private static string UserData()
    {
        // Not the cache's folder: on Windows both lie in LocalApplicationData, and a cache may be deleted at any time.
        if (OperatingSystem.IsWindows())
            return Path.Combine(
                Environment.GetFolderPath(
                    Environment.SpecialFolder.LocalApplicationData,
                    Environment.SpecialFolderOption.DoNotVerify
                ),
                "mlnet-transfer-data"
            );
        string home = Environment.GetFolderPath(
            Environment.SpecialFolder.UserProfile,
            Environment.SpecialFolderOption.DoNotVerify
        );
        if (OperatingSystem.IsMacOS())
            return Path.Combine(home, "Library", "Application Support", "mlnet-transfer");
        string? xdg = Environment.GetEnvironmentVariable("XDG_DATA_HOME");
        return Path.Combine(Path.IsPathRooted(xdg) ? xdg : Path.Combine(home, ".local", "share"), "mlnet-transfer");
    }
}
