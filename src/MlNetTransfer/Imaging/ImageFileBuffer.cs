using MlNetTransfer.Imaging.Decoding;

namespace MlNetTransfer.Imaging;

/// <summary>Reads one image file after another into the same memory. Not thread-safe: one per worker.</summary>
/// <param name="limits">The largest file; the defaults of <see cref="ImageLimits"/> if null.</param>
public sealed class ImageFileBuffer(ImageLimits? limits = null)
{
    private readonly ImageLimits _limits = limits ?? new ImageLimits();
    private byte[] _buffer = [];

    /// <summary>The bytes of a file; valid until the next call.</summary>
    /// <param name="path">An image file. Only its length is checked here, its content when it is decoded.</param>
    /// <exception cref="ImageRejectedException">Missing, not readable, empty or longer than <see cref="ImageLimits.MaxBytes"/>.</exception>
    public ReadOnlySpan<byte> Read(string path)
    {
        try
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(path);
            long length = RandomAccess.GetLength(file);
            ImageGuard.CheckBytes(length, _limits);
            if (_buffer.Length < length) _buffer = GC.AllocateUninitializedArray<byte>(Capacity(length), pinned: true);
            int read = 0;
            while (read < length)
            {
                int count = RandomAccess.Read(file, _buffer.AsSpan(read, (int)length - read), read);
                if (count == 0) throw new ImageRejectedException($"the file became shorter while it was read: {read} of {length} bytes");
                read += count;
            }
            return _buffer.AsSpan(0, read);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ImageRejectedException("the file does not exist", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            string reason = Directory.Exists(path) ? "a folder, expected an image file" : e.Message.ReplaceLineEndings(" ");
            throw new ImageRejectedException($"the file cannot be read: {reason}", e);
        }
    }

    /// <summary>The next power of two, so that files of growing length do not make garbage of every buffer before.</summary>
    private static int Capacity(long length) => (int)Math.Min(System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)Math.Max(length, 1 << 16)), 1 << 30);
}
