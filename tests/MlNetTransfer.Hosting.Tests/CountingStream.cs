namespace MlNetTransfer.Hosting.Tests;

/// <summary>
/// A stream that counts what is read, gives little at a time, and may hide its length as the body of a request does.
/// </summary>
internal sealed class CountingStream(byte[] bytes, bool canSeek) : Stream
{
    public int Count { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => canSeek;

    public override bool CanWrite => false;

    public override long Length => canSeek ? bytes.Length : throw new NotSupportedException();

    public override long Position
    {
        get => canSeek ? Count : throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int count = Math.Min(Math.Min(700, buffer.Length), bytes.Length - Count);
        bytes.AsMemory(Count, count).CopyTo(buffer);
        Count += count;
        return ValueTask.FromResult(count);
    }

    public override int Read(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException("Only asynchronous reading is allowed, as on a server.");

    public override void Flush() { }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
