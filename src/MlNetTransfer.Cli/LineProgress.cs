namespace MlNetTransfer.Cli;

/// <summary>
/// Progress for logs: a line when a stage begins, then one per tenth of it, at most one every two seconds. Thread-safe.
/// </summary>
internal sealed class LineProgress(Action<string> writeLine, TimeProvider? clock = null) : IProgress<JobProgress>
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(2);
    private readonly TimeProvider clock = clock ?? TimeProvider.System;
    private readonly Lock gate = new();
    private string stage = "";
    private long tenth;
    private long last;

    public void Report(JobProgress value)
    {
        lock (gate)
        {
            long now = value.Total > 0 ? value.Done * 10 / value.Total : 0;
            bool begins = value.Stage != stage;
            if (!begins && (now <= tenth || clock.GetElapsedTime(last) < Quiet))
                return;
            (stage, tenth, last) = (value.Stage, now, clock.GetTimestamp());
            writeLine(
                begins
                    ? value.Stage
                    : FormattableString.Invariant(
                        $"{value.Stage} {value.Done}/{value.Total}{(value.Detail is null ? "" : ": " + value.Detail)}"
                    )
            );
        }
    }
}
