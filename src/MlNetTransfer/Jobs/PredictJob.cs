using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;

namespace MlNetTransfer.Jobs;

/// <summary>
/// Predicts the classes of image files, of all files below folders and in zip archives, and of the images that lists
/// name.
/// </summary>
/// <param name="modelPath">The model file.</param>
/// <param name="inputs">Image files, folders, .zip archives and .csv, .tsv, .jsonl or .ndjson lists, at least one; see
/// <see cref="DatasetReader"/>. Of a list, only the paths count.</param>
/// <param name="top">Classes to list per image, at least 1.</param>
/// <param name="limits">What an image may cost.</param>
/// <param name="plan">How the graph is run; the CPU's plan if null.</param>
/// <param name="clock">Measures the wall time.</param>
public sealed class PredictJob(
    string modelPath,
    IReadOnlyList<string> inputs,
    int top = 3,
    ImageLimits? limits = null,
    ExecutionPlan? plan = null,
    TimeProvider? clock = null
)
{
    private readonly int top = Check.InRange(top, 1, int.MaxValue);
    private readonly TimeProvider clock = clock ?? TimeProvider.System;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told after every image, from any thread.</param>
    /// <param name="cancellation">Ends the job between two images.</param>
    public PredictionSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = clock.GetTimestamp();
        using TransferModel model = TransferModel.Load(modelPath, limits, plan);
        (IReadOnlyList<ImageItem> items, IReadOnlyList<RejectedImage> rejected) = ImageInputs.Of(inputs);
        ImageRows rows = model.Predict(items, progress, cancellation);
        Prediction[] predictions =
        [
            .. rows.Accepted.Select(
                (item, row) => Prediction.Of(model.ClassNames, items[item].Name, rows.Row(row), top)
            ),
        ];
        return new PredictionSummary(
            predictions,
            [.. rejected, .. rows.Rejected],
            rows.ImagesPerSecond,
            clock.GetElapsedTime(started).TotalSeconds
        )
        {
            ClassNames = model.ClassNames,
        };
    }
}
