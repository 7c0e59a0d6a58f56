using System.Buffers;
using System.Globalization;

namespace MlNetTransfer.AspNetCore;

/// <summary>
/// Memory for the bodies of requests, all together no more than a budget. What is over goes back to a pool that keeps a
/// few arrays of each size and none of the largest; those are the garbage collector's to free. Thread-safe.
/// </summary>
/// <param name="bytes">The budget.</param>
internal sealed class BodyBudget(long bytes)
{
    private const int LargestPooled = 8 << 20,
        PooledPerSize = 8;

    private readonly ArrayPool<byte> pool = ArrayPool<byte>.Create(LargestPooled, PooledPerSize);
    private long used;

    /// <summary>Bytes in use.</summary>
    public long Used => Interlocked.Read(ref used);

    /// <summary>An array of at least a length.</summary>
    /// <exception cref="RequestException">The budget is used up.</exception>
    public byte[] Rent(int length)
    {
        Reserve(length);
        byte[] array = length > LargestPooled ? new byte[length] : pool.Rent(length);
        // What the pool gives may be longer.
        Interlocked.Add(ref used, array.Length - length);
        return array;
    }

    /// <summary>Gives an array back.</summary>
    public void Return(byte[] array)
    {
        Interlocked.Add(ref used, -array.Length);
        if (array.Length <= LargestPooled)
            pool.Return(array);
    }

    private void Reserve(long length)
    {
        if (Interlocked.Add(ref used, length) <= bytes)
            return;
        Interlocked.Add(ref used, -length);
        throw new RequestException(
            StatusCodes.Status503ServiceUnavailable,
            string.Create(
                CultureInfo.InvariantCulture,
                $"The server is busy: the images of all requests would need more than {bytes} bytes of memory. "
                    + $"Try again later."
            )
        );
    }
}

/// <summary>Bytes that grow as they are read, from a budget.</summary>
/// <param name="budget">The budget.</param>
/// <param name="first">Bytes that are probably needed.</param>
internal sealed class GrowingBytes(BodyBudget budget, int first) : IDisposable
{
    private byte[] buffer = budget.Rent(Math.Max(first, 256));
    private int length;

    /// <summary>What was read.</summary>
    public ReadOnlyMemory<byte> Read => buffer.AsMemory(0, length);

    /// <summary>Reads a stream to its end.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="limit">Most bytes.</param>
    /// <param name="tooLarge">What to throw where there are more.</param>
    /// <param name="cancellation">Ends reading.</param>
    public async Task ReadAsync(Stream stream, long limit, Func<Exception> tooLarge, CancellationToken cancellation)
    {
        while (true)
        {
            if (length == buffer.Length)
                Grow();
            int count = await stream.ReadAsync(buffer.AsMemory(length), cancellation).ConfigureAwait(false);
            if (count == 0)
                return;
            length += count;
            if (length > limit)
                throw tooLarge();
        }
    }

    /// <summary>Appends bytes that are decoded from base64.</summary>
    /// <returns>False where they are no base64.</returns>
    public bool TryDecode(ReadOnlySpan<byte> base64)
    {
        int most = System.Buffers.Text.Base64.GetMaxDecodedFromUtf8Length(base64.Length);
        while (buffer.Length - length < most)
            Grow();
        bool done =
            System.Buffers.Text.Base64.DecodeFromUtf8(base64, buffer.AsSpan(length), out _, out int written)
            == OperationStatus.Done;
        length += written;
        return done;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref buffer!, null) is { } array)
            budget.Return(array);
    }

    private void Grow()
    {
        byte[] larger = budget.Rent((int)Math.Min(Array.MaxLength, 2L * buffer.Length));
        buffer.AsSpan(0, length).CopyTo(larger);
        budget.Return(buffer);
        buffer = larger;
    }
}

/// <summary>A request that is answered with a status of its own.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="message">What is wrong and how to mend it, for whoever sent it.</param>
/// <param name="inner">The cause.</param>
internal sealed class RequestException(int status, string message, Exception? inner = null) : Exception(message, inner)
{
    public int Status => status;
}
