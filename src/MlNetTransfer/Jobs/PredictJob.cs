using System.Text.Json.Serialization;
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

/// <summary>What a model says of one image.</summary>
/// <param name="File">The image.</param>
/// <param name="Label">The likeliest class; of equal ones, that with the lower index.</param>
/// <param name="Probability">Its probability, in [0, 1].</param>
/// <param name="Top">The likeliest classes, falling.</param>
public sealed record Prediction(string File, string Label, float Probability, IReadOnlyList<LabelProbability> Top)
{
    /// <summary>Probability of each class, in the order of the model's classes.</summary>
    [JsonIgnore]
    public ReadOnlyMemory<float> Probabilities { get; init; }

    internal static Prediction Of(IReadOnlyList<string> classes, string file, ReadOnlySpan<float> row, int top)
    {
        float[] probabilities = row.ToArray();
        LabelProbability[] best =
        [
            .. Enumerable
                .Range(0, classes.Count)
                .OrderByDescending(c => probabilities[c])
                .ThenBy(c => c)
                .Take(top)
                .Select(c => new LabelProbability(classes[c], probabilities[c])),
        ];
        return new Prediction(file, best[0].Label, best[0].Probability, best) { Probabilities = probabilities };
    }
}

/// <summary>What a model says of images.</summary>
/// <param name="Predictions">One per usable image, in the order given.</param>
/// <param name="Rejected">Images that were not used, and why.</param>
/// <param name="ImagesPerSecond">Images per second, decoding included, on all workers.</param>
/// <param name="Seconds">Wall time of the whole job in seconds.</param>
public sealed record PredictionSummary(
    IReadOnlyList<Prediction> Predictions,
    IReadOnlyList<RejectedImage> Rejected,
    double ImagesPerSecond,
    double Seconds
)
{
    /// <summary>The classes; the index is the label id.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> ClassNames { get; init; } = [];
}

/// <summary>A class and its probability, in [0, 1].</summary>
/// <param name="Label">Name of the class.</param>
/// <param name="Probability">The probability.</param>
public sealed record LabelProbability(string Label, float Probability);
