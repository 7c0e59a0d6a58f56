using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;

namespace MlNetTransfer.Jobs;

/// <summary>Predicts the classes of image files, of all files below folders and in zip archives, and of the images that lists name.</summary>
/// <param name="modelPath">The model file.</param>
/// <param name="inputs">Image files, folders, .zip archives and .csv, .tsv, .jsonl or .ndjson lists, at least one; see <see cref="DatasetReader"/>. Of a list, only the paths count.</param>
/// <param name="top">Classes to list per image, at least 1.</param>
/// <param name="limits">What an image may cost.</param>
/// <param name="plan">How the graph is run; the CPU's plan if null.</param>
/// <param name="clock">Measures the wall time.</param>
public sealed class PredictJob(string modelPath, IReadOnlyList<string> inputs, int top = 3, ImageLimits? limits = null, ExecutionPlan? plan = null, TimeProvider? clock = null)
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
        var items = new List<ImageItem>();
        var rejected = new List<RejectedImage>();
        foreach (string input in inputs) Add(input, items, rejected);
        ImageRows rows = model.Predict(items, progress, cancellation);
        rejected.AddRange(rows.Rejected);
        Prediction[] predictions = [.. rows.Accepted.Select((item, row) => Predict(model.ClassNames, items[item].Name, rows.Row(row)))];
        return new PredictionSummary(predictions, rejected, rows.ImagesPerSecond, clock.GetElapsedTime(started).TotalSeconds);
    }

    private static void Add(string input, List<ImageItem> items, List<RejectedImage> rejected)
    {
        if (!DatasetReader.IsSource(input))
        {
            items.Add(new ImageItem(input, input));
            return;
        }

        ImageDataset data = DatasetReader.ReadUnlabelled(input, new DatasetOptions { ExtraColumns = ExtraColumns.Ignore });
        // A list's images are called what the list calls them, so that predictions can be joined to it.
        bool named = Directory.Exists(input) || data.Items.Any(item => item.Location is ZipEntryLocation);
        string prefix = named ? input.Replace('\\', '/').TrimEnd('/') + "/" : "";
        items.AddRange(data.Items.Select(item => item with { Name = prefix + item.Name }));
        rejected.AddRange(data.Rejected.Select(r => r with { File = prefix + r.File }));
    }

    private Prediction Predict(IReadOnlyList<string> classes, string file, ReadOnlySpan<float> row)
    {
        float[] probabilities = row.ToArray();
        LabelProbability[] best = [.. Enumerable.Range(0, classes.Count).OrderByDescending(c => probabilities[c]).ThenBy(c => c).Take(top).Select(c => new LabelProbability(classes[c], probabilities[c]))];
        return new Prediction(file, best[0].Label, best[0].Probability, best);
    }
}
