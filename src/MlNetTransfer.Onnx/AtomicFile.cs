namespace MlNetTransfer.Onnx;

/// <summary>Writes a file whole or not at all.</summary>
internal static class AtomicFile
{
    /// <summary>
    /// Writes to a temporary file in the same folder, flushes it to the disk, and renames it onto
    /// <paramref name="path"/>. Whatever fails, the temporary file is removed and a file that was there before stays as
    /// it was.
    /// </summary>
    /// <exception cref="GraphException">The file cannot be written; the message names it.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        string full = Path.GetFullPath(path);
        string temporary = $"{full}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (FileStream stream = new(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, full, overwrite: true);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new GraphException(
                $"{path} could not be written ({cause.Message}). Nothing was changed. Make sure that the folder "
                    + $"exists, is writable and has free space.",
                cause
            );
        }
        finally
        {
            Remove(temporary);
        }
    }

    private static void Remove(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            // The failure that matters is already on its way to the caller; a leftover *.tmp harms nobody.
        }
    }
}
