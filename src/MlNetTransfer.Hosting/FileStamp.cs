namespace MlNetTransfer.Hosting;

/// <summary>
/// What tells two states of a file apart without reading it. Links are followed, so an exchanged link counts as well.
/// </summary>
internal readonly record struct FileStamp(long Length, DateTime Written)
{
    /// <summary>The file's stamp; null where it cannot be opened.</summary>
    public static FileStamp? Of(string path)
    {
        try
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(
                path,
                FileMode.Open,
                FileAccess.Read,
                FileShare.ReadWrite | FileShare.Delete
            );
            return new FileStamp(RandomAccess.GetLength(file), File.GetLastWriteTimeUtc(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
