using System.Text.RegularExpressions;
using Google.Protobuf;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>Reads untrusted ONNX bytes within limits.</summary>
internal static class OnnxReader
{
    public static ModelProto Load(string path, OnnxLimits limits)
    {
        try
        {
            using FileStream stream = RegularFile.OpenRead(path, 1 << 16);
            if (stream.Length > limits.MaxBytes)
                throw new GraphException(
                    $"{path} has {stream.Length:N0} bytes; at most {limits.MaxBytes:N0} are allowed. Keep large "
                        + $"weights as external data, or raise {nameof(OnnxLimits)}.{nameof(OnnxLimits.MaxBytes)}."
                );
            using CodedInputStream input = CodedInputStream.CreateWithLimits(
                stream,
                limits.MaxBytes,
                limits.MaxNesting
            );
            ModelProto model = Parse(input, path);
            ExternalData.ReadInto(model, path, limits);
            return model;
        }
        catch (Exception cause)
            when (cause is IOException and not InvalidProtocolBufferException or UnauthorizedAccessException)
        {
            throw new GraphException(
                $"{path} could not be read ({cause.Message}). Give the path of an ONNX file that exists and may be "
                    + $"read.",
                cause
            );
        }
    }

    public static ModelProto Parse(byte[] bytes, string what, OnnxLimits limits)
    {
        if (bytes.Length > limits.MaxBytes)
            throw new GraphException(
                $"{what} has {bytes.Length:N0} bytes; at most {limits.MaxBytes:N0} are allowed. Raise "
                    + $"{nameof(OnnxLimits)}.{nameof(OnnxLimits.MaxBytes)}."
            );
        using MemoryStream stream = new(bytes, writable: false);
        using CodedInputStream input = CodedInputStream.CreateWithLimits(stream, limits.MaxBytes, limits.MaxNesting);
        ModelProto model = Parse(input, what);
        if (ExternalData.TensorsOf(model).FirstOrDefault(ExternalData.IsExternal) is { } external)
            throw new GraphException(
                $"Tensor '{external.Name}' of {what} keeps its values in another file, which bytes alone do not "
                    + $"name. Load the model by its path."
            );
        return model;
    }

    private static ModelProto Parse(CodedInputStream input, string what)
    {
        try
        {
            ModelProto model = ModelProto.Parser.ParseFrom(input);
            string? missing =
                model.IrVersion <= 0 ? "IR version"
                : model.Graph is null ? "graph"
                : model.OpsetImport.Count == 0 && model.IrVersion >= 3 ? "operator set"
                : null;
            if (missing is not null)
                throw new GraphException(
                    $"{what} is not an ONNX model: it has no {missing}. Expected a file written by an ONNX "
                        + $"exporter; was it copied or downloaded whole?"
                );
            ModelStructure.Require(model, what);
            foreach (TensorProto tensor in ExternalData.TensorsOf(model))
                TensorData.Share(tensor);
            return model;
        }
        catch (InvalidProtocolBufferException cause)
        {
            throw new GraphException(
                $"{what} is not an ONNX model, or is cut short ({cause.Message}) Expected a file written by an ONNX "
                    + $"exporter; copy or download it again.",
                cause
            );
        }
    }
}

/// <summary>What an untrusted ONNX file may cost. Immutable; checked before and while the file is read.</summary>
public sealed record OnnxLimits
{
    /// <summary>Largest model file in bytes; in [1, 2³¹-1]. Default 2 GiB - 1 MiB: protobuf ends at 2 GiB.</summary>
    public int MaxBytes
    {
        get;
        init => field = AtLeastOne(value, nameof(MaxBytes));
    } = int.MaxValue - (1 << 20);

    /// <summary>
    /// Largest sum of the external data in bytes, 1 or more. Default 16 GiB. One tensor has at most 2 GiB.
    /// </summary>
    public long MaxExternalBytes
    {
        get;
        init => field = AtLeastOne(value, nameof(MaxExternalBytes));
    } = 1L << 34;

    /// <summary>Deepest nesting of protobuf messages; a subgraph costs three. In [1, 2³¹-1]. Default 100.</summary>
    public int MaxNesting
    {
        get;
        init => field = AtLeastOne(value, nameof(MaxNesting));
    } = 100;

    private static T AtLeastOne<T>(T value, string name)
        where T : System.Numerics.INumber<T> =>
        value >= T.One ? value : throw new ArgumentOutOfRangeException(name, value, $"{name} must be at least 1.");
}

/// <summary>
/// A graph or its file is not what it has to be, in a way the user can mend: the message names the thing, what was
/// found, what was expected and the fix.
/// </summary>
/// <param name="message">What is wrong and how to mend it; fit to be printed as it is.</param>
/// <param name="inner">The cause, where there is one.</param>
public sealed class GraphException(string message, Exception? inner = null) : Exception(message, inner);

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

/// <summary>Writes a file whole or not at all.</summary>
internal static partial class AtomicFile
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

    /// <summary>
    /// Removes what processes that were killed while they wrote have left beside a file, once it is ten seconds old:
    /// until then somebody may be about to give it its name.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="start">How the names of the files begin; empty for all in the folder.</param>
    public static void RemoveLeftovers(string folder, string start = "")
    {
        if (!Directory.Exists(folder))
            return;
        foreach (string path in Directory.EnumerateFiles(folder, "*.tmp"))
            if (
                Path.GetFileName(path).StartsWith(start, StringComparison.Ordinal)
                && Leftover().IsMatch(path)
                && File.GetLastWriteTimeUtc(path) < DateTime.UtcNow - TimeSpan.FromSeconds(10)
            )
                Remove(path, unlessOpen: true);
    }

    [GeneratedRegex(@"\.[0-9a-f]{32}\.tmp$")]
    private static partial Regex Leftover();

    private static void Remove(string temporary, bool unlessOpen = false)
    {
        try
        {
            if (unlessOpen)
                new FileStream(temporary, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
            File.Delete(temporary);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            // The failure that matters is already on its way to the caller; a leftover *.tmp harms nobody.
        }
    }
}
