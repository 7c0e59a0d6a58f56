using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Hosting;

/// <summary>
/// Answers requests from one loaded model, on threads and in buffers of its own, until it is closed; the model is
/// disposed after its last request. On a CPU every worker decodes and runs one image after another; with batches,
/// workers decode and other threads run what has come together.
/// </summary>
/// <remarks>
/// Threads of its own, because work that keeps every core busy would starve the thread pool, on which the host answers
/// everything else.
/// </remarks>
internal sealed class ModelEngine
{
    private readonly EngineContext context;
    private readonly RequestQueue intake;
    private readonly Batching? batching;
    private readonly List<IDisposable> owned = [];
    private readonly TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int running;

    public ModelEngine(EngineContext context)
    {
        this.context = context;
        TransferModelOptions options = context.Options;
        intake = Own(new RequestQueue(1, TimeSpan.Zero, context.Clock));
        List<Action> loops = [];
        try
        {
            if (options.MaxBatchSize > 1)
                batching = Own(new Batching(context));
            for (int i = 0; i < options.Workers; i++)
            {
                if (batching is null)
                    loops.Add(Own(new SingleWorker(context, intake)).Run);
                else
                    loops.Add(Own(new DecodeWorker(context, intake, batching)).Run);
            }

            for (int i = 0; i < (batching?.Runners ?? 0); i++)
                loops.Add(Own(new BatchWorker(context, batching!)).Run);
        }
        catch
        {
            DisposeAll();
            throw;
        }

        context.Instruments.Loaded(context.Name, 1);
        running = loops.Count;
        foreach (Action loop in loops)
            new Thread(() => Work(loop)) { IsBackground = true, Name = $"mlnet-transfer {context.Name}" }.UnsafeStart();
    }

    public LoadedModel Model => context.Model;

    /// <summary>Ends when the last request is answered and everything is disposed.</summary>
    public Task Drained => drained.Task;

    /// <summary>Accepts a request; false where the engine is closed.</summary>
    public bool TryAdd(PredictRequest request) => intake.TryAdd(request);

    /// <summary>Ends a request that is waiting; one that a worker has in hand is ended by the worker.</summary>
    public void Cancel(PredictRequest request)
    {
        if (intake.Remove(request))
        {
            context.Admission.Leave();
            request.Fail(new OperationCanceledException(request.Cancellation));
        }
        else if (batching?.Remove(request) == true)
        {
            context.Fail(request, new OperationCanceledException(request.Cancellation));
        }
    }

    /// <summary>Accepts no more requests; those accepted are still answered.</summary>
    public void Close() => intake.Close();

    /// <summary>Closes, and refuses the requests that no worker has taken yet.</summary>
    public void Abandon()
    {
        foreach (PredictRequest request in intake.Abandon())
        {
            context.Admission.Leave();
            request.Fail(new ModelStoppedException(context.Name));
        }
    }

    private T Own<T>(T thing)
        where T : IDisposable
    {
        owned.Add(thing);
        return thing;
    }

    private void Work(Action loop)
    {
        loop();
        if (Interlocked.Decrement(ref running) > 0)
            return;
        DisposeAll();
        context.Instruments.Loaded(context.Name, -1);
        drained.SetResult();
    }

    private void DisposeAll()
    {
        // Buffers are bound to the session, so they go first.
        for (int i = owned.Count - 1; i >= 0; i--)
            owned[i].Dispose();
        context.Model.Dispose();
    }
}

/// <summary>What the workers of an engine share.</summary>
/// <param name="Name">Name of the model.</param>
/// <param name="Model">The file being served; the engine disposes it.</param>
/// <param name="Options">How it is served.</param>
/// <param name="Admission">Counts the requests.</param>
/// <param name="Instruments">Told of every decode and run.</param>
/// <param name="Clock">Measures them.</param>
internal sealed record EngineContext(
    string Name,
    LoadedModel Model,
    TransferModelOptions Options,
    Admission Admission,
    TransferInstruments Instruments,
    TimeProvider Clock
)
{
    public ItemGraph Graph => Model.Model.Answers;

    /// <summary>Decodes an image, or ends its request; true where it was decoded.</summary>
    public bool TryDecode(PredictRequest request, ImagePreprocessor preprocessor, Span<float> tensor)
    {
        try
        {
            long started = Clock.GetTimestamp();
            preprocessor.Process(request.Encoded.Span, tensor, request.Cancellation);
            Instruments.Decoded(Name, Clock.GetElapsedTime(started));
            return true;
        }
        catch (Exception e)
        {
            Fail(request, e);
            return false;
        }
    }

    /// <summary>Runs the first places of a batch.</summary>
    public void Run(ItemGraphBatch batch, int count)
    {
        long started = Clock.GetTimestamp();
        batch.Run(count);
        Instruments.Ran(Name, count, Clock.GetElapsedTime(started));
    }

    /// <summary>Answers a request from its place in a batch.</summary>
    public void Answer(PredictRequest request, ItemGraphBatch batch, int place)
    {
        try
        {
            request.Cancellation.ThrowIfCancellationRequested();
            TransferPrediction prediction = TransferPrediction.Of(
                Model.Model,
                batch.Row(place),
                request.Wishes.Top ?? Options.Top,
                Options.Sets,
                Model.Version,
                request.Wishes.Threshold
            );
            Admission.End();
            request.Complete(prediction);
        }
        catch (Exception e)
        {
            Fail(request, e);
        }
    }

    /// <summary>Ends a request that was begun.</summary>
    public void Fail(PredictRequest request, Exception reason)
    {
        Admission.End();
        request.Fail(
            reason is OperationCanceledException or TransferException
                ? reason
                : new TransferException(
                    $"Model '{Name}' failed on an image: {reason.Message} This is a fault of the product: report it "
                        + $"with the stack trace.",
                    reason
                )
        );
    }
}

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
