using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Models;

namespace MlNetTransfer.Jobs;

public sealed partial class TrainJob
{
    /// <summary>
    /// Trains on all images of a data set that was divided before, and writes the model file; nothing is evaluated.
    /// </summary>
    /// <param name="data">
    /// Labelled images, instead of those of <see cref="TrainOptions.Folder"/>, which only names their source in
    /// messages.
    /// </param>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job; no output file is touched.</param>
    /// <exception cref="TransferException"> An image, an option or the written model is not as it has to be; the
    /// message names it and the fix.
    /// </exception>
    internal FittedModel Fit(ImageDataset data, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        TrainRules.Require(options);
        OutputFolder.RequireWritable(options.Output);
        TrainingSet.RequireTwoPerClass(data, data.CountPerClass(), []);
        Backbone backbone = OpenBackbone(cancellation);
        ITrainingRoute route = RouteOf(backbone);
        route.Check(Taps(backbone), data.ClassNames.Count);
        using OutputLock held = HoldOutput();
        using FeatureExtractor extractor = ExtractorOf(backbone, ExecutionPlan.For(options.Device, options.Workers));
        ImageRows rows = extractor.Extract(data.Items, FeatureCacheFolder, progress, cancellation);
        TrainingSet set = TrainingSet.Of(data, rows, extractor, options);
        WrittenModel written = FitAndStage(route, backbone, set, progress, cancellation);
        using (written.File)
            written.File.Take();
        route.Written();
        var training = new ImageClassificationTraining
        {
            Strategy = options.Strategy,
            Head = written.Trial.Fit.Selection.Name,
            Images = set.Table.Rows,
            Taps = written.Metadata.Taps,
            TapTrials = written.Trial.Fit.TapTrials,
            HeadTrials = written.Trial.Fit.Selection.Trials,
            Rejected = set.Rejected,
        };
        return new FittedModel(written.Path, written.Metadata, written.Sample.Items, training);
    }
}

/// <summary>What a training on all images gave.</summary>
/// <param name="Path">The model file.</param>
/// <param name="Metadata">What it says of itself.</param>
/// <param name="Sample">Some of the images.</param>
/// <param name="Training">What the training did.</param>
internal sealed record FittedModel(
    string Path,
    ModelMetadata Metadata,
    IReadOnlyList<ImageItem> Sample,
    ImageClassificationTraining Training
);
