namespace MlNetTransfer.Training;

/// <summary>Live figures of a training: loss, validation, speed and the time that is left.</summary>
/// <param name="progress">Whom to tell; null for nobody.</param>
/// <param name="run">The training.</param>
/// <param name="epochs">Epochs in all.</param>
/// <param name="clock">Measures seconds.</param>
/// <param name="name">What is done; null for fine-tuning.</param>
internal sealed class TuneProgress(
    IProgress<JobProgress>? progress,
    FineTuneRun run,
    int epochs,
    TimeProvider clock,
    string? name = null
)
{
    private readonly string stage =
        (name ?? (run.IsRefit ? "Fine-tuning on all images" : "Fine-tuning"))
        + (run.Fold == 0 ? "" : FormattableString.Invariant($", fold {run.Fold}"));
    private readonly long started = clock.GetTimestamp();
    private long images,
        steps;
    private double loss = double.NaN;
    private string judged = "";

    public void Step(int epoch, int step, int perEpoch, float batchLoss, int rows)
    {
        if (progress is null)
            return;
        images += rows;
        steps++;
        loss = double.IsNaN(loss) ? batchLoss : 0.9 * loss + 0.1 * batchLoss;
        double seconds = Math.Max(1e-9, clock.GetElapsedTime(started).TotalSeconds);
        long done = (long)(epoch - 1) * perEpoch + step,
            total = (long)epochs * perEpoch;
        var left = TimeSpan.FromSeconds(Math.Round(seconds / steps * (total - done)));
        progress.Report(
            new JobProgress(stage, done, total)
            {
                Detail = FormattableString.Invariant(
                    $"epoch {epoch}/{epochs}, loss {loss:f3}{judged}, {images / seconds:f0} images/s, {left:c} left"
                ),
            }
        );
    }

    public void Judged(double? validationLoss, double? accuracy)
    {
        if (validationLoss is { } value)
            judged = FormattableString.Invariant($", validation {value:f3} ({100 * accuracy:f1} %)");
    }
}
