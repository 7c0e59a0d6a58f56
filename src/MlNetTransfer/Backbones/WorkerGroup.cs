using System.Runtime.ExceptionServices;

namespace MlNetTransfer.Backbones;

/// <summary>Threads that work together: where one fails or the caller cancels, all end.</summary>
internal sealed class WorkerGroup(CancellationToken cancellation) : IDisposable
{
    private readonly CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
    private readonly List<Task> tasks = [];

    /// <summary>Starts a worker on a thread of its own.</summary>
    public void Start(Action<CancellationToken> work) =>
        tasks.Add(
            Task.Factory.StartNew(
                () => Work(work),
                CancellationToken.None,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default
            )
        );

    /// <summary>Waits for all; throws the first failure that is not the end it caused in the others.</summary>
    public void Wait()
    {
        try
        {
            Task.WaitAll([.. tasks], CancellationToken.None);
        }
        catch (AggregateException e)
        {
            cancellation.ThrowIfCancellationRequested();
            ExceptionDispatchInfo.Throw(
                e.InnerExceptions.FirstOrDefault(i => i is not OperationCanceledException) ?? e.InnerExceptions[0]
            );
        }
    }

    public void Dispose() => stop.Dispose();

    private void Work(Action<CancellationToken> work)
    {
        try
        {
            work(stop.Token);
        }
        catch
        {
            stop.Cancel();
            throw;
        }
    }
}
