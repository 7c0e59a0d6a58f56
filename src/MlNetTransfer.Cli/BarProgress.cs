using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>Shows each stage as a progress bar. Thread-safe.</summary>
internal sealed class BarProgress(ProgressContext context) : IProgress<JobProgress>
{
    private readonly Dictionary<string, ProgressTask> tasks = [];
    private readonly Lock gate = new();

    /// <summary>Fills every bar: a stage may end before its last step.</summary>
    public void Complete()
    {
        lock (gate)
            foreach (ProgressTask task in tasks.Values)
                task.Value = task.MaxValue;
    }

    public void Report(JobProgress value)
    {
        lock (gate)
        {
            if (!tasks.TryGetValue(value.Stage, out ProgressTask? task))
                tasks[value.Stage] = task = context.AddTask(
                    Markup.Escape(value.Stage),
                    maxValue: Math.Max(1, value.Total)
                );
            if (value.Detail is { } detail)
                task.Description = Markup.Escape($"{value.Stage}: {detail}");
            task.MaxValue = Math.Max(1, value.Total);
            task.Value = Math.Max(task.Value, value.Done);
        }
    }
}
