using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>Passes a fit's progress on as a job's.</summary>
internal sealed class FitToJobProgress(IProgress<JobProgress> progress) : IProgress<FitProgress>
{
    /// <summary>The adapter; null where nobody wants to be told.</summary>
    public static FitToJobProgress? Of(IProgress<JobProgress>? progress) =>
        progress is null ? null : new FitToJobProgress(progress);

    public void Report(FitProgress value) => progress.Report(new JobProgress(value.Stage, value.Done, value.Total));
}
