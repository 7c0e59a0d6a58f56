using System.Buffers;
using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Hosting;

/// <summary>Runs batch after batch of decoded images.</summary>
internal sealed class BatchWorker(EngineContext context, Batching batching) : IDisposable
{
    private readonly ItemGraphBatch memory = context.Graph.CreateBatch(context.Options.MaxBatchSize);
    private readonly List<PredictRequest> batch = [];

    public void Run()
    {
        for (; batching.Take(batch); batch.Clear())
        {
            for (int i = 0; i < batch.Count; i++)
            {
                batch[i].Tensor.CopyTo(memory.Input(i));
                batching.Release(batch[i]);
            }

            RunTogether();
        }
    }

    public void Dispose() => memory.Dispose();

    /// <summary>
    /// Where the device fails on a batch, each image is tried alone: what one image causes must not end the others.
    /// </summary>
    private void RunTogether()
    {
        try
        {
            context.Run(memory, batch.Count);
        }
        catch (Exception e)
        {
            if (batch.Count == 1)
                context.Fail(batch[0], e);
            else
                for (int i = 0; i < batch.Count; i++)
                    RunAlone(i);
            return;
        }

        for (int i = 0; i < batch.Count; i++)
            context.Answer(batch[i], memory, i);
    }

    private void RunAlone(int place)
    {
        try
        {
            if (place > 0)
                memory.Input(place).CopyTo(memory.Input(0));
            context.Run(memory, 1);
        }
        catch (Exception e)
        {
            context.Fail(batch[place], e);
            return;
        }

        context.Answer(batch[place], memory, 0);
    }
}

/// <summary>
/// Decodes one image after another for batches, so that an image that cannot be used never gets into one.
/// </summary>
internal sealed class DecodeWorker(EngineContext context, RequestQueue intake, Batching batching) : IDisposable
{
    private readonly ImagePreprocessor preprocessor = new(context.Graph.Preprocessing, context.Graph.Limits);
    private readonly List<PredictRequest> taken = [];

    public void Run()
    {
        for (; intake.Take(taken); taken.Clear())
        {
            context.Admission.Begin();
            PredictRequest request = taken[0];
            request.Tensor = batching.TakeTensor();
            if (context.TryDecode(request, preprocessor, request.Tensor))
            {
                request.Dispose();
                batching.Add(request);
            }
            else
            {
                batching.Release(request);
            }
        }

        batching.EndDecoder();
    }

    public void Dispose() => preprocessor.Dispose();
}

/// <summary>Decodes and runs one image after another.</summary>
internal sealed class SingleWorker(EngineContext context, RequestQueue intake) : IDisposable
{
    private readonly ImagePreprocessor preprocessor = new(context.Graph.Preprocessing, context.Graph.Limits);
    private readonly ItemGraphBatch memory = context.Graph.CreateBatch(1);
    private readonly List<PredictRequest> taken = [];

    public void Run()
    {
        for (; intake.Take(taken); taken.Clear())
        {
            context.Admission.Begin();
            PredictRequest request = taken[0];
            if (!context.TryDecode(request, preprocessor, memory.Input(0)))
                continue;
            try
            {
                context.Run(memory, 1);
            }
            catch (Exception e)
            {
                context.Fail(request, e);
                continue;
            }

            context.Answer(request, memory, 0);
        }
    }

    public void Dispose()
    {
        memory.Dispose();
        preprocessor.Dispose();
    }
}

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
