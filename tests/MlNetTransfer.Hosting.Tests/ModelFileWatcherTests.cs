using Microsoft.Extensions.Logging.Abstractions;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Hosting.Tests;

[TestClass]
public sealed class ModelFileWatcherTests
{
    /// <summary>
    /// The look may have read the file before it changed again, so that change has to be looked at too, whatever the
    /// look says of the next time.
    /// </summary>
    [TestMethod]
    public async Task Look_FileChangesMeanwhile_LooksAgain()
    {
        using TempFolder folder = new();
        string path = folder.Write("model.onnx", [1]);
        int looks = 0;
        using ModelFileWatcher watcher = new(
            path,
            new TransferModelOptions { PollInterval = TimeSpan.FromDays(1), Debounce = TimeSpan.FromSeconds(1) },
            TimeProvider.System,
            async () =>
            {
                if (Interlocked.Increment(ref looks) == 1)
                {
                    await File.WriteAllBytesAsync(path, [1, 2, 3]);
                    // Time for the file system to tell of it, which is less than the timer then runs for.
                    await Task.Delay(500);
                }

                return TimeSpan.FromDays(1);
            },
            NullLogger.Instance
        );
        await File.WriteAllBytesAsync(path, [1, 2]);
        await Hosted.Until(() => Volatile.Read(ref looks) == 2, "the second change is looked at");
    }
}
