namespace MlNetTransfer.Onnx;

/// <summary>
/// Opens files that users name. A named pipe, socket or device is never opened: it could block for ever, or never end.
/// </summary>
/// <remarks>
/// .NET does not tell what kind a file is, but all of those have a length of 0, as an empty file does, and none of
/// these has anything to read. Files are opened so that another process may replace them meanwhile, on Windows too: the
/// reader keeps what it opened.
/// </remarks>
internal static class RegularFile
{
    /// <summary>Why there is nothing to read.</summary>
    public const string NoBytes =
        "it has 0 bytes: an empty file, or a named pipe, a socket or a device; a regular file was expected";

    private const FileShare Shared = FileShare.ReadWrite | FileShare.Delete;

    /// <summary>Whether a file is there and has no bytes: those of its target where it is a link.</summary>
    public static bool HasNoBytes(string path)
    {
        FileSystemInfo? file = new FileInfo(path);
        if (!file.Exists)
            return false;
        if (file.LinkTarget is not null)
            file = file.ResolveLinkTarget(returnFinalTarget: true);
        return file is FileInfo { Exists: true, Length: 0 };
    }

    /// <exception cref="IOException">Missing, not readable, or without a byte.</exception>
    public static FileStream OpenRead(string path, int bufferSize = 4096) =>
        HasNoBytes(path)
            ? throw new IOException(NoBytes)
            : new FileStream(path, FileMode.Open, FileAccess.Read, Shared, bufferSize);

    /// <inheritdoc cref="OpenRead"/>
    public static Microsoft.Win32.SafeHandles.SafeFileHandle OpenHandle(string path) =>
        HasNoBytes(path)
            ? throw new IOException(NoBytes)
            : File.OpenHandle(path, FileMode.Open, FileAccess.Read, Shared);

    /// <inheritdoc cref="OpenRead"/>
    public static byte[] ReadAllBytes(string path)
    {
        using FileStream stream = OpenRead(path);
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
