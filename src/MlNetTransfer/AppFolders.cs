namespace MlNetTransfer;

/// <summary>Where the product keeps what it can make again.</summary>
public static class AppFolders
{
    /// <summary>The environment variable that moves the cache.</summary>
    public const string CacheVariable = "MLNETTRANSFER_CACHE";

    /// <summary>The cache folder: <see cref="CacheVariable"/> where set, else "mlnet-transfer" in the user's cache folder. May be deleted at any time.</summary>
    public static string Cache
    {
        get
        {
            if (Environment.GetEnvironmentVariable(CacheVariable) is { Length: > 0 } set) return set;
            if (OperatingSystem.IsWindows()) return Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "mlnet-transfer");
            string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            if (OperatingSystem.IsMacOS()) return Path.Combine(home, "Library", "Caches", "mlnet-transfer");
            string? xdg = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
            return Path.Combine(Path.IsPathRooted(xdg) ? xdg! : Path.Combine(home, ".cache"), "mlnet-transfer");
        }
    }
}
