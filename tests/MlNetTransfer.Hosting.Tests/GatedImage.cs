using System.Buffers;

namespace MlNetTransfer.Hosting.Tests;

/// <summary>
/// An image whose bytes cannot be read before they are released: it holds the worker that has it in hand, without any
/// hook in the product.
/// </summary>
internal sealed class GatedImage(byte[] bytes) : MemoryManager<byte>
{
    private readonly ManualResetEventSlim released = new();
    private readonly TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends when a worker has the image in hand.</summary>
    public Task Reached => reached.Task.WaitAsync(TimeSpan.FromSeconds(30));

    public override Memory<byte> Memory => CreateMemory(bytes.Length);

    public void Release() => released.Set();

    public override Span<byte> GetSpan()
    {
        reached.TrySetResult();
        if (!released.Wait(TimeSpan.FromSeconds(30)))
            throw new TimeoutException("Nobody released the image.");
        return bytes;
    }

    public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

    public override void Unpin() => throw new NotSupportedException();

    protected override void Dispose(bool disposing) => released.Dispose();
}
