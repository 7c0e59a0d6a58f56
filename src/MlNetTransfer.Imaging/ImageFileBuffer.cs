using Microsoft.Win32.SafeHandles;
using MlNetTransfer.Imaging.Decoding;

namespace MlNetTransfer.Imaging;

/// <summary>
/// Reads one image after another, from files or streams, into the same memory. Not thread-safe: one per worker.
/// </summary>
/// <param name="limits">The largest file; the defaults of <see cref="ImageLimits"/> if null.</param>
public sealed class ImageFileBuffer(ImageLimits? limits = null)
{
    private readonly ImageLimits limits = limits ?? new ImageLimits();
    private byte[] buffer = [];

    /// <summary>The bytes of a file; valid until the next call.</summary>
    /// <param name="path">An image file. Only its length is checked here, its content when it is decoded.</param>
    /// <exception cref="ImageRejectedException">Missing, not readable, empty or longer than
    /// <see cref="ImageLimits.MaxBytes"/>.</exception>
    public ReadOnlySpan<byte> Read(string path)
    {
        try
        {
            // A named pipe, socket or device is never opened: it could block for ever, or never end. .NET does not tell
            // what kind a file is, but the length of all of those is 0.
            if (HasNoBytes(path))
                throw new ImageRejectedException(
                    "it has 0 bytes: an empty file, or a named pipe, a socket or a device; a regular file was expected"
                );
            using SafeFileHandle file = File.OpenHandle(path, share: FileShare.ReadWrite | FileShare.Delete);
            long length = RandomAccess.GetLength(file);
            ImageGuard.CheckBytes(length, limits);
            Reserve(length);
            int read = 0;
            while (read < length)
            {
                int count = RandomAccess.Read(file, buffer.AsSpan(read, (int)length - read), read);
                if (count == 0)
                    throw new ImageRejectedException(
                        $"the file became shorter while it was read: {read} of {length} bytes"
                    );
                read += count;
            }
            return buffer.AsSpan(0, read);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ImageRejectedException("the file does not exist", e);
        }
        catch (Exception e)
            when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            string reason = Directory.Exists(path)
                ? "a folder, expected an image file"
                : e.Message.ReplaceLineEndings(" ");
            throw new ImageRejectedException($"the file cannot be read: {reason}", e);
        }
    }

    /// <summary>
    /// The bytes of a stream whose length is announced, such as an entry of an archive; valid until the next call.
    /// </summary>
    /// <param name="content">The stream; read to its end, or one byte past the announced length where it has
    /// more.</param>
    /// <param name="length">How many bytes it must have.</param>
    /// <exception cref="ImageRejectedException">Empty or longer than <see cref="ImageLimits.MaxBytes"/>, or it has
    /// fewer or more bytes than announced.</exception>
    public ReadOnlySpan<byte> Read(Stream content, long length)
    {
        ImageGuard.CheckBytes(length, limits);
        Reserve(length + 1);
        int read = content.ReadAtLeast(buffer.AsSpan(0, (int)length + 1), (int)length + 1, throwOnEndOfStream: false);
        if (read != length)
            throw new ImageRejectedException(
                $"damaged: {length} bytes are announced, there are {(read > length ? "more" : read)}"
            );
        return buffer.AsSpan(0, read);
    }

    /// <summary>The bytes of a stream of unknown length; valid until the next call.</summary>
    /// <param name="content">The stream; read to its end, or one byte past <see cref="ImageLimits.MaxBytes"/> where it
    /// is longer.</param>
    /// <exception cref="ImageRejectedException">Empty, longer than <see cref="ImageLimits.MaxBytes"/>, or it cannot be
    /// read.</exception>
    public ReadOnlySpan<byte> Read(Stream content)
    {
        try
        {
            int read = 0;
            for (int count; read <= limits.MaxBytes; read += count)
            {
                if (read == buffer.Length)
                    Grow(read);
                count = content.Read(buffer, read, buffer.Length - read);
                if (count == 0)
                    break;
            }
            ImageGuard.CheckBytes(read, limits);
            return buffer.AsSpan(0, read);
        }
        catch (Exception e)
            when (e is IOException or UnauthorizedAccessException or ObjectDisposedException or NotSupportedException)
        {
            throw new ImageRejectedException($"the stream cannot be read: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    /// <summary>Decoded pixels as the bytes of an image file; valid until the next call.</summary>
    /// <exception cref="ImageRejectedException">More bytes than <see cref="ImageLimits.MaxBytes"/>.</exception>
    public ReadOnlySpan<byte> Read(RgbImage image)
    {
        long length = BmpEncoder.Length(image);
        ImageGuard.CheckBytes(length, limits);
        Reserve(length);
        Span<byte> file = buffer.AsSpan(0, (int)length);
        BmpEncoder.Write(image, file);
        return file;
    }

    /// <summary>Whether a file is there and has no bytes: those of its target where it is a link.</summary>
    private static bool HasNoBytes(string path)
    {
        FileSystemInfo? file = new FileInfo(path);
        if (!file.Exists)
            return false;
        if (file.LinkTarget is not null)
            file = file.ResolveLinkTarget(returnFinalTarget: true);
        return file is FileInfo { Exists: true, Length: 0 };
    }

    private void Grow(int read)
    {
        byte[] before = buffer;
        Reserve(Math.Min((long)limits.MaxBytes + 1, Math.Max(1 << 16, 2L * read)));
        before.AsSpan(0, read).CopyTo(buffer);
    }

    private void Reserve(long length)
    {
        if (buffer.Length < length)
            buffer = GC.AllocateUninitializedArray<byte>(Capacity(length), pinned: true);
    }

    /// <summary>
    /// The next power of two, so that files of growing length do not make garbage of every buffer before.
    /// </summary>
    private static int Capacity(long length) =>
        length > 1 << 30
            ? (int)length
            : (int)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)Math.Max(length, 1 << 16));
}
