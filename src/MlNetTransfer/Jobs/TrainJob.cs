using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Graphs;
using MlNetTransfer.Models;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>From labelled images to a model file and a report: features of a frozen backbone, a head on them, an evaluation on held-out images.</summary>
/// <remarks>
/// Nothing is written before everything has worked: the model is written, read back, checked on real images against what was evaluated, and only
/// then takes its name. Equal images, options and seed give an equal model file on the same kind of machine.
/// </remarks>
/// <param name="options">The run.</param>
/// <param name="catalog">The backbones; null for those that come with the product.</param>
/// <param name="clock">Measures the wall time.</param>
public sealed partial class TrainJob(TrainOptions options, BackboneCatalog? catalog = null, TimeProvider? clock = null)
{
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
        ExecutionPlan plan = ExecutionPlan.For(options.Device, options.Workers);
        using FeatureExtractor extractor = ExtractorOf(backbone, plan);

        ImageRows rows = extractor.Extract(data.Items, FeatureCacheFolder, progress, cancellation);
        return Finish(started, data, rows, backbone, extractor, null, progress, cancellation).Summary;
    }

    private FeatureExtractor ExtractorOf(Backbone backbone, ExecutionPlan plan) => new(backbone, options.Taps ?? [.. backbone.Card.Taps.Select(t => t.Name)], options.Limits, plan);

    private string? FeatureCacheFolder => options.CacheFeatures ? Path.Combine(options.CacheFolder, "features") : null;

    /// <summary>From features to the model file and the report; the file is checked on the kept tensors, or else on images of the data set.</summary>
    private (TrainSummary Summary, ParitySample Sample) Finish(
        long started, ImageDataset data, ImageRows rows, Backbone backbone, FeatureExtractor extractor, TensorSample? kept, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        RejectedImage[] rejected = [.. data.Rejected, .. rows.Rejected];
        var table = new FeatureTable(data.ClassNames, [.. rows.Accepted.Select(i => data.Items[i].Label)], rows.Values, rows.Width);
        RequireTwoPerClass(data.ClassNames, CountPerClass(table), rejected);

        var recipe = new HeadRecipeOptions { Head = options.Head, L2 = options.L2, ClassWeights = options.ClassWeights, ChoosesTap = options.Taps is null, Seed = options.Seed, Workers = options.Workers };
        var runner = new TrialRunner(new HeadRecipe(recipe, extractor.Groups, backbone.Card.DefaultTap), table);
        Trial trial = options.Folds > 0
            ? runner.CrossValidate(HeldOutRows.Folds(data, rows, table, options), progress, cancellation)
            : runner.Split(HeldOutRows.Of(data, rows, table, options), progress, cancellation);

        BackboneTap[] taps = extractor.Taps.ToArray()[trial.Fit.Taps];
        string digest = TrainingDigest.Of(extractor.Space.Key(), TrainingDigest.OfRows(table.Select(trial.TrainRows), recipe));
        var metadata = new ModelMetadata
        {
            Labels = data.ClassNames,
            Preprocessing = backbone.Card.Preprocessing,
            Backbone = backbone.Card.Id,
            CardDigest = backbone.Card.Digest(),
            Taps = [.. taps.Select(t => t.Name)],
            TrainingDigest = digest,
        };
        OnnxModel onnx = ModelGraph.Build(FeatureGraph.Build(backbone.LoadModel(), [.. taps.Select(t => t.Tensor)]), trial.Fit.Head, metadata);
        int[] checkedRows = kept?.Rows ?? [.. trial.TestRows.Concat(trial.TrainRows).Distinct().Take(ModelWriter.ParityImages)];
        var sample = new ParitySample([.. checkedRows.Select(row => data.Items[rows.Accepted[row]])], trial.Fit.Predict(table.Select(checkedRows))) { Tensors = kept?.Tensors };
        string path = Path.Combine(options.Output, "model.onnx");
        (ParityRecord parity, string sha256) = new ModelWriter(options.Limits, extractor.Plan).Write(onnx, path, sample, progress, cancellation);

        var summary = new TrainSummary(table.Rows, trial.Report, rejected, rows.ImagesPerSecond, clock.GetElapsedTime(started))
        {
            TrainImages = trial.TrainRows.Count,
            TestImages = trial.TestRows.Count,
            FoldAccuracies = trial.FoldAccuracies,
            Backbone = backbone.Card.Id,
            Taps = metadata.Taps,
            TapTrials = trial.Fit.TapTrials,
            FeatureWidth = trial.Fit.Head.Width,
            Head = trial.Fit.Selection.Name,
            HeadTrials = trial.Fit.Selection.Trials,
            Temperature = trial.Fit.Selection.Temperature,
            EceUncalibrated = trial.Uncalibrated.CalibrationError,
            Seed = options.Seed,
            TestFraction = (double)trial.TestRows.Count / table.Rows,
            FromCache = rows.FromCache,
            Model = path,
            ModelSha256 = sha256,
            TrainingDigest = digest,
            Parity = parity,
            Notes = [.. HeldOutRows.Notes(data), .. DuplicateNotes.Of(rows, table, trial)],
        };
        ReportFile.Write(Path.Combine(options.Output, "report.json"), summary);
        return (summary, sample);
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
}
