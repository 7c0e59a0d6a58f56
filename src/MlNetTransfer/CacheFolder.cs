namespace MlNetTransfer;

/// <summary>Where things are kept that can be made again.</summary>
public static class CacheFolder
{
    /// <summary>Environment variable that names another root.</summary>
    public const string Variable = "MLNETTRANSFER_CACHE";

    /// <summary>
    /// The root: MLNETTRANSFER_CACHE where it is set, else "mlnet-transfer" under the user's cache folder. It is not
    /// created, and may be deleted at any time.
    /// </summary>
    public static string Root
    {
        get
        {
            string? chosen = Environment.GetEnvironmentVariable(Variable);
            return string.IsNullOrWhiteSpace(chosen)
                ? Path.Combine(UserCache(), "mlnet-transfer")
                : Path.GetFullPath(chosen);
        }
    }

    /// <summary>The folder for one kind of things, under the root. It is not created.</summary>
    public static string For(string kind) => Path.Combine(Root, kind);

    private static string UserCache()
    {
        if (OperatingSystem.IsWindows())
            return Environment.GetFolderPath(
                Environment.SpecialFolder.LocalApplicationData,
                Environment.SpecialFolderOption.DoNotVerify
            );
        string home = Environment.GetFolderPath(
            Environment.SpecialFolder.UserProfile,
            Environment.SpecialFolderOption.DoNotVerify
        );
        if (OperatingSystem.IsMacOS())
            return Path.Combine(home, "Library", "Caches");
        string? xdg = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        return Path.IsPathRooted(xdg) ? xdg : Path.Combine(home, ".cache");
    }
}
