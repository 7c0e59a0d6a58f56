namespace MlNetTransfer.Hosting.Tests;

/// <summary>A clock that stands still until it is moved; timers fire while it is moved.</summary>
internal sealed class FakeClock : TimeProvider
{
    private readonly List<Timer> timers = [];
    private long now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() =>
        new(new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddTicks(GetTimestamp()));

    public override long GetTimestamp() => Interlocked.Read(ref now);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, () => callback(state));
        lock (timers)
            timers.Add(timer);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>How many timers are set.</summary>
    public int Pending
    {
        get
        {
            lock (timers)
                return timers.Count(t => t.Due is not null);
        }
    }

    public void Advance(TimeSpan time)
    {
        Timer[] due;
        lock (timers)
        {
            long after = Interlocked.Add(ref now, time.Ticks);
            due = [.. timers.Where(t => t.Due <= after)];
            foreach (Timer timer in due)
                timer.Due = null;
        }

        foreach (Timer timer in due)
            timer.Fire();
    }

    private sealed class Timer(FakeClock clock, Action fire) : ITimer
    {
        public long? Due { get; set; }

        public void Fire() => fire();

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock.timers)
            {
                if (!clock.timers.Contains(this))
                    return false;
                Due = dueTime == Timeout.InfiniteTimeSpan ? null : clock.now + dueTime.Ticks;
                return true;
            }
        }

        public void Dispose()
        {
            lock (clock.timers)
                clock.timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
