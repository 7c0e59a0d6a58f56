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
