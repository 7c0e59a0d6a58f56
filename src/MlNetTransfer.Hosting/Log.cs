using Microsoft.Extensions.Logging;

namespace MlNetTransfer.Hosting;

/// <summary>What hosting writes to the log, under the category "MlNetTransfer.Hosting".</summary>
internal static partial class Log
{
    public const string Category = "MlNetTransfer.Hosting";

    [LoggerMessage(
        1,
        LogLevel.Information,
        "Model '{Model}' is served from '{Path}': sha256 {Sha256}, {Labels} labels."
    )]
    public static partial void Loaded(ILogger logger, string model, string path, string sha256, int labels);

    [LoggerMessage(2, LogLevel.Error, "Model '{Model}': the new file '{Path}' is not served; sha256 {Sha256} goes on.")]
    public static partial void ReloadFailed(ILogger logger, string model, string path, string sha256, Exception reason);

    [LoggerMessage(3, LogLevel.Warning, "'{Path}' cannot be watched; it is looked at every {Interval}.")]
    public static partial void NotWatched(ILogger logger, string path, TimeSpan interval, Exception reason);

    [LoggerMessage(4, LogLevel.Debug, "'{Path}' was looked at in vain: {Reason}")]
    public static partial void LookFailed(ILogger logger, string path, string reason);
}
