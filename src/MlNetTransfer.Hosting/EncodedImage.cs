using System.Buffers;

namespace MlNetTransfer.Hosting;

/// <summary>
/// The bytes of an image: the caller's memory, or pooled memory that goes back when the request is over.
/// </summary>
internal sealed class EncodedImage(ReadOnlyMemory<byte> bytes, byte[]? rented = null) : IDisposable
{
    private const int FirstBuffer = 64 * 1024;

    private byte[]? rented = rented;

    public ReadOnlyMemory<byte> Bytes { get; } = bytes;

    /// <summary>Memory of the caller.</summary>
    /// <exception cref="ImageTooLargeException">More bytes than allowed.</exception>
    public static EncodedImage Of(ReadOnlyMemory<byte> bytes, int limit) =>
        bytes.Length <= limit ? new EncodedImage(bytes) : throw new ImageTooLargeException(limit, bytes.Length);

    /// <summary>Reads a stream to its end, or one byte past the limit.</summary>
    /// <exception cref="ImageTooLargeException">More bytes than allowed.</exception>
    public static async Task<EncodedImage> ReadAsync(Stream stream, int limit, CancellationToken cancellation)
    {
        if (stream.CanSeek && stream.Length - stream.Position > limit)
            throw new ImageTooLargeException(limit, stream.Length - stream.Position);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(
            Math.Min(limit, stream.CanSeek ? (int)Math.Max(0, stream.Length - stream.Position) : FirstBuffer) + 1
        );
        try
        {
            int read = 0,
                count;
            while (
                (
                    count = await stream
                        .ReadAsync(buffer.AsMemory(read, Math.Min(buffer.Length, limit + 1) - read), cancellation)
                        .ConfigureAwait(false)
                ) > 0
            )
            {
                read += count;
                if (read > limit)
                    throw new ImageTooLargeException(limit, null);
                if (read == buffer.Length)
                    buffer = Grown(buffer, (int)Math.Min(limit + 1L, 2L * read));
            }

            return new EncodedImage(buffer.AsMemory(0, read), buffer);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }
    }

    /// <summary>Gives pooled memory back, once.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref rented, null) is { } array)
            ArrayPool<byte>.Shared.Return(array);
    }

    private static byte[] Grown(byte[] buffer, int length)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(length);
        buffer.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(buffer);
        return larger;
    }
}
