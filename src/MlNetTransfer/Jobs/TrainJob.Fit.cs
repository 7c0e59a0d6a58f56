using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Training;

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
    internal WrittenModel Fit(Dataset data, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        TrainRules.Require(options);
        OutputFolder.RequireWritable(options.Output);
        TrainingSet.RequireTwoPerClass(data, data.CountPerClass(), []);
        Backbone backbone = OpenBackbone(cancellation);
        IRecipe recipe = options.Strategy.Recipe(Settings(backbone));
        recipe.Check(Taps(backbone), data.ClassNames.Count);
        using OutputLock held = HoldOutput();
        using FeatureExtractor extractor = ExtractorOf(backbone, ExecutionPlan.For(options.Device, options.Workers));
        ItemRows rows = extractor.Extract(data.Items, FeatureCacheFolder, progress, cancellation);
        TrainingSet set = TrainingSet.Of(data, rows, extractor, options);
        WrittenModel written = FitAndStage(recipe, backbone, set, progress, cancellation);
        using (written.File)
            written.File.Take();
        recipe.Written();
        return written;
    }
}

/// <summary>A model that was trained, and written beside its place.</summary>
/// <param name="Trial">Its training and evaluation.</param>
/// <param name="Metadata">What it says of itself.</param>
/// <param name="Onnx">The model.</param>
/// <param name="Sample">Some of the images, and what was evaluated for them.</param>
/// <param name="Path">The place.</param>
/// <param name="File">The file beside it; disposed once it has taken its name.</param>
/// <param name="Parity">How far the file agrees.</param>
/// <param name="Training">What the training did.</param>
/// <param name="Costs">What each network costs, where there was a choice.</param>
internal sealed record WrittenModel(
    Trial Trial,
    ModelMetadata Metadata,
    OnnxModel Onnx,
    ParitySample Sample,
    string Path,
    StagedFile File,
    ParityRecord Parity,
    ImageClassificationTraining Training,
    IReadOnlyList<NetworkCost> Costs
)
{
    /// <summary>A head on the frozen features beside a trained network; null where there is none.</summary>
    public Trial? Frozen { get; init; }
}
