using System.Globalization;
using MlNetTransfer.Onnx;

namespace MlNetTransfer;

/// <summary>
/// Holds an output for one run at a time: a lock file that is open exclusively while the run works and is deleted at
/// its end.
/// </summary>
/// <remarks>
/// The system lets go of the lock when the process ends, however it ends, so that a lock file that is left behind after
/// a kill holds nobody up. Who holds it stands in a second file, since nobody else can read the first meanwhile.
/// </remarks>
internal sealed class OutputLock : IDisposable
{
    /// <summary>The lock file of an output folder.</summary>
    public const string FileName = ".mlnet-transfer.lock";

    private readonly string path;
    private readonly string? madeFolder;
    private readonly FileStream file;

    private OutputLock(string path, string? madeFolder, FileStream file) =>
        (this.path, this.madeFolder, this.file) = (path, madeFolder, file);

    /// <summary>
    /// Holds a folder; it is made where it is missing, and removed at the end if nothing was put into it. What killed
    /// processes have left there half written is removed.
    /// </summary>
    /// <exception cref="TransferException">Another run holds it: the message says which process, and since when. Or the
    /// folder cannot be made or written to.</exception>
    public static OutputLock OfFolder(string folder)
    {
        bool isNew = !Directory.Exists(folder);
        MakeFolder(folder);
        OutputLock held = Take(Path.Combine(folder, FileName), $"Folder '{folder}'", isNew ? folder : null);
        Quietly(() => AtomicFile.RemoveLeftovers(folder));
        return held;
    }

    /// <summary>Makes an output folder where it is missing.</summary>
    /// <exception cref="TransferException">It cannot be made.</exception>
    public static void MakeFolder(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"Folder '{folder}' cannot be made: {e.Message} Choose another output folder.",
                e
            );
        }
    }

    /// <summary>
    /// Holds the place of one file; its folder must be there. What killed processes have left half written in its place
    /// is removed.
    /// </summary>
    /// <inheritdoc cref="OfFolder"/>
    public static OutputLock OfFile(string path)
    {
        OutputLock held = Take($"{path}.lock", $"'{path}'", null);
        Quietly(() =>
            AtomicFile.RemoveLeftovers(Path.GetDirectoryName(Path.GetFullPath(path))!, Path.GetFileName(path))
        );
        return held;
    }

    /// <summary>Holds the place of one file; null where another process does.</summary>
    /// <inheritdoc cref="OfFile"/>
    public static OutputLock? TryOfFile(string path)
    {
        try
        {
            return OfFile(path);
        }
        catch (TransferException e) when (IsHeld(e))
        {
            return null;
        }
    }

    /// <summary>Whether something failed because another process holds a place.</summary>
    public static bool IsHeld(TransferException e) => e.InnerException is IOException held && IsHeld(held);

    /// <inheritdoc/>
    public void Dispose()
    {
        // An open file can be deleted everywhere but on Windows, and there nobody can take a file that is about to be
        // deleted.
        if (!OperatingSystem.IsWindows())
            Delete();
        file.Dispose();
        if (OperatingSystem.IsWindows())
            Delete();
        if (madeFolder is not null)
            Quietly(() => RemoveEmpty(madeFolder));
    }

    private static OutputLock Take(string path, string what, string? madeFolder)
    {
        while (true)
        {
            FileStream file = Open(path, what);
            // Who deleted the file while we waited for it holds nothing any more, and the lock on a deleted file is
            // worth nothing.
            int mark = 1 + Random.Shared.Next(1 << 20);
            file.SetLength(mark);
            if (new FileInfo(path) is { Exists: true } named && named.Length == mark)
            {
                // For messages alone: on Windows the one before may be about to delete it.
                Quietly(() =>
                    File.WriteAllText(OwnerOf(path), Environment.ProcessId.ToString(CultureInfo.InvariantCulture))
                );
                return new OutputLock(path, madeFolder, file);
            }

            file.Dispose();
        }
    }

    private static FileStream Open(string path, string what)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (IsHeld(e))
        {
            throw new TransferException(
                $"{what} is in use: {Owner(path)} is writing there. Wait until it is done, or give another --output.",
                e
            );
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"{what} cannot be written to: {e.Message} Check the folder's permissions and the disk, or give "
                    + $"another --output.",
                e
            );
        }
    }

    /// <summary>
    /// A sharing violation: EWOULDBLOCK of Linux (11) and macOS (35), ERROR_SHARING_VIOLATION of Windows (32).
    /// </summary>
    internal static bool IsHeld(IOException e) => (e.HResult & 0xFFFF) is 11 or 32 or 35;

    private static string Owner(string path)
    {
        try
        {
            string owner = OwnerOf(path),
                process = File.ReadAllText(owner);
            return string.Create(
                CultureInfo.InvariantCulture,
                $"process {process} has held it since {File.GetLastWriteTimeUtc(owner):yyyy-MM-dd HH:mm:ss} UTC and"
            );
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "another process";
        }
    }

    private static string OwnerOf(string path) => path + ".owner";

    private static void RemoveEmpty(string folder)
    {
        if (!Directory.EnumerateFileSystemEntries(folder).Any())
            Directory.Delete(folder);
    }

    private void Delete() =>
        Quietly(() =>
        {
            File.Delete(OwnerOf(path));
            File.Delete(path);
        });

    private static void Quietly(Action tidy)
    {
        try
        {
            tidy();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A file that is left behind is not locked: the next run takes it. Nor may tidying hide what the run has to
            // say.
        }
    }
}
