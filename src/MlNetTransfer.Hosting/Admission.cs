namespace MlNetTransfer.Hosting;

/// <summary>Counts the requests of one model over all its files, and refuses more waiting ones than may be.</summary>
internal sealed class Admission(string model, int limit, TransferInstruments instruments)
{
    private int waiting;
    private int active;

    public int Waiting => Volatile.Read(ref waiting);

    public int Active => Volatile.Read(ref active);

    /// <exception cref="ModelBusyException">As many wait as may.</exception>
    public void ThrowIfFull()
    {
        if (Waiting >= limit)
            throw new ModelBusyException(model, limit);
    }

    /// <summary>Lets a request wait.</summary>
    /// <exception cref="ModelBusyException">As many wait as may.</exception>
    public void Enter()
    {
        if (Interlocked.Increment(ref waiting) > limit)
        {
            Interlocked.Decrement(ref waiting);
            throw new ModelBusyException(model, limit);
        }

        instruments.Waiting(model, 1);
    }

    /// <summary>A request waits no longer, and was not begun.</summary>
    public void Leave()
    {
        Interlocked.Decrement(ref waiting);
        instruments.Waiting(model, -1);
    }

    /// <summary>A worker took a waiting request.</summary>
    public void Begin()
    {
        Leave();
        Interlocked.Increment(ref active);
        instruments.Active(model, 1);
    }

    /// <summary>A request that was begun is over.</summary>
    public void End()
    {
        Interlocked.Decrement(ref active);
        instruments.Active(model, -1);
    }
}
