using System.Security.Cryptography;
using System.Text.Json;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Graphs;
using MlNetTransfer.Heads;
using MlNetTransfer.Models;

namespace MlNetTransfer.Jobs;

/// <summary>From labelled images to a model file and a report: features of a frozen backbone, a head on them, an evaluation on held-out images.</summary>
/// <remarks>
/// Nothing is written before everything has worked: the model is written, read back, checked on real images against what was evaluated, and only
/// then takes its name. Equal images, options and seed give an equal model file on the same kind of machine.
/// </remarks>
/// <param name="options">The run.</param>
/// <param name="catalog">The backbones; null for those that come with the product.</param>
/// <param name="clock">Measures the wall time.</param>
public sealed class TrainJob(TrainOptions options, BackboneCatalog? catalog = null, TimeProvider? clock = null)
{
    /// <summary>Images that a written model is checked on, at most; never fewer than 16 where there are as many.</summary>
    public const int ParityImages = 64;

    private readonly TimeProvider clock = clock ?? TimeProvider.System;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job; no output file is touched.</param>
    /// <returns>What <c>report.json</c> holds.</returns>
    /// <exception cref="TransferException">The data set, an option or the written model is not as it has to be; the message names it and the fix.</exception>
    public TrainSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = clock.GetTimestamp();
        ImageDataset data = HeldOutRows.WithoutUnassigned(DatasetReader.Read(options.Folder));
        RequireTwoPerClass(data.ClassNames, data.CountPerClass(), []);
        Backbone backbone = new BackboneStore(catalog ?? BackboneCatalog.Default, Path.Combine(options.CacheFolder, "backbones")).Open(options.Backbone, cancellation);
        using var extractor = new FeatureExtractor(backbone, null, options.Limits);

        ImageRows rows = extractor.Extract(data.Items, options.Workers, options.CacheFeatures ? Path.Combine(options.CacheFolder, "features") : null, progress, cancellation);
        RejectedImage[] rejected = [.. data.Rejected, .. rows.Rejected];
        var table = new FeatureTable(data.ClassNames, [.. rows.Accepted.Select(i => data.Items[i].Label)], rows.Values, rows.Width);
        RequireTwoPerClass(data.ClassNames, CountPerClass(table), rejected);

        TrainTestRows split = HeldOutRows.Of(data, rows, table, options);
        SoftmaxHead head = Fit(table.Select(split.Train), progress, cancellation);
        FeatureTable test = table.Select(split.Test);
        ClassificationReport report = ClassificationReport.Of(data.ClassNames, test.Labels, head.Predict(test));

        string digest = TrainingDigest(extractor, rows, table, split);
        var metadata = new ModelMetadata
        {
            Labels = data.ClassNames,
            Preprocessing = backbone.Card.Preprocessing,
            Backbone = backbone.Card.Id,
            CardDigest = backbone.Card.Digest(),
            Tap = extractor.Tap.Name,
            TrainingDigest = digest,
        };
        OnnxModel onnx = ModelGraph.Build(extractor.Onnx, head, metadata);
        var checks = new ParitySample([.. ParityRows(split).Select(row => data.Items[rows.Accepted[row]])], head.Predict(table.Select([.. ParityRows(split)])));
        string path = Path.Combine(options.Output, "model.onnx");
        (ParityRecord parity, string sha256) = new ModelWriter(options.Workers, options.Limits).Write(onnx, path, checks, progress, cancellation);

        var summary = new TrainSummary
        {
            Images = table.Rows,
            Classes = table.Classes,
            Accuracy = report.Accuracy,
            AccuracyInterval = [report.AccuracyInterval.Low, report.AccuracyInterval.High],
            LogLoss = report.LogLoss,
            Ece = report.CalibrationError,
            Confusion = report.Confusion,
            PerClass = report.PerClass,
            Rejected = rejected,
            ImagesPerSecond = data.Items.Count / Math.Max(rows.Elapsed.TotalSeconds, 1e-9),
            Seconds = clock.GetElapsedTime(started).TotalSeconds,
            TrainImages = split.Train.Count,
            TestImages = split.Test.Count,
            Backbone = backbone.Card.Id,
            Tap = extractor.Tap.Name,
            FeatureWidth = extractor.Width,
            L2 = head.Report.L2,
            L2Path = head.Report.L2Path,
            Seed = options.Seed,
            TestFraction = data.Splits is null ? options.TestFraction : (double)split.Test.Count / table.Rows,
            FromCache = rows.FromCache,
            Model = path,
            ModelSha256 = sha256,
            TrainingDigest = digest,
            Parity = parity,
            Notes = [.. HeldOutRows.Notes(data), .. DuplicateNotes.Of(rows, table, split)],
        };
        ReportFile.Write(Path.Combine(options.Output, "report.json"), summary);
        return summary;
    }

    private SoftmaxHead Fit(FeatureTable train, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        var trainer = new SoftmaxTrainer(new SoftmaxTrainerOptions { L2 = options.L2, Seed = options.Seed, ClassWeights = options.ClassWeights, Workers = options.Workers });
        return trainer.Fit(train, new HeadProgress(progress), cancellation);
    }

    private static int[] CountPerClass(FeatureTable table)
    {
        var counts = new int[table.Classes];
        foreach (int label in table.Labels) counts[label]++;
        return counts;
    }

    private void RequireTwoPerClass(IReadOnlyList<string> classes, int[] counts, IReadOnlyList<RejectedImage> rejected)
    {
        int poor = Array.FindIndex(counts, c => c < 2);
        if (poor < 0) return;
        string name = classes[poor];
        RejectedImage[] lost = [.. rejected.Where(r => r.File.StartsWith(name + "/", StringComparison.Ordinal))];
        string because = lost.Length == 0 ? "" : $" {lost.Length} of its files {(lost.Length == 1 ? "was" : "were")} rejected, e.g. {lost[0].File}: {lost[0].Reason}.";
        throw new TransferException($"Class '{name}' in '{options.Folder}' has {counts[poor]} usable image{(counts[poor] == 1 ? "" : "s")}; at least 2 are needed, one to train and one to test.{because} Add images of '{name}' or remove the class.");
    }

    /// <summary>Test rows first: those are the images the printed figures are of.</summary>
    private static IEnumerable<int> ParityRows(TrainTestRows split) => split.Test.Concat(split.Train).Take(ParityImages);

    private string TrainingDigest(FeatureExtractor extractor, ImageRows rows, FeatureTable table, TrainTestRows split)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(extractor.Space.Key());
        hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(new { table.ClassNames, table.Labels, split.Train, options.Seed, options.L2, options.ClassWeights }));
        hash.AppendData(rows.Digests);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private sealed class HeadProgress(IProgress<JobProgress>? progress) : IProgress<FitProgress>
    {
        public void Report(FitProgress value) => progress?.Report(new JobProgress(value.Stage, value.Done, value.Total));
    }
}
