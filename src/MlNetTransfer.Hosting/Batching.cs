using MlNetTransfer.Backbones;

namespace MlNetTransfer.Hosting;

/// <summary>
/// Decoded images on their way from the threads that decode to those that run. Memory is bounded by its tensors: who
/// finds none waits for a run to end.
/// </summary>
internal sealed class Batching : IDisposable
{
    private readonly Stack<float[]> tensors = new();
    private readonly RequestQueue decoded;
    private int decoders;

    public Batching(EngineContext context)
    {
        TransferModelOptions options = context.Options;
        decoders = options.Workers;
        // A GPU runs one batch at a time; on a CPU a run uses one core.
        Runners = options.Device == ExecutionProvider.Cpu ? options.Workers : 1;
        decoded = new RequestQueue(options.MaxBatchSize, options.MaxDelay, context.Clock);
        // While a batch is run, the next can come together.
        int count = (Runners + 1) * options.MaxBatchSize + options.Workers;
        for (int i = 0; i < count; i++)
            tensors.Push(new float[context.Graph.Preprocessing.TensorLength]);
    }

    /// <summary>Threads that run batches.</summary>
    public int Runners { get; }

    public float[] TakeTensor()
    {
        lock (tensors)
        {
            while (tensors.Count == 0)
                Monitor.Wait(tensors);
            return tensors.Pop();
        }
    }

    /// <summary>Hands a decoded image on.</summary>
    public void Add(PredictRequest request) => decoded.TryAdd(request);

    /// <summary>Waits for a batch; false where all decoders have ended and nothing is left.</summary>
    public bool Take(List<PredictRequest> batch) => decoded.Take(batch);

    /// <summary>Takes a request out that is waiting for a batch.</summary>
    public bool Remove(PredictRequest request)
    {
        if (!decoded.Remove(request))
            return false;
        Release(request);
        return true;
    }

    /// <summary>Gives the tensor of a request back.</summary>
    public void Release(PredictRequest request)
    {
        lock (tensors)
        {
            tensors.Push(request.Tensor!);
            Monitor.Pulse(tensors);
        }

        request.Tensor = null;
    }

    /// <summary>One thread will decode no more; after the last, the runners end when nothing is left.</summary>
    public void EndDecoder()
    {
        if (Interlocked.Decrement(ref decoders) == 0)
            decoded.Close();
    }

    public void Dispose() => decoded.Dispose();
}
