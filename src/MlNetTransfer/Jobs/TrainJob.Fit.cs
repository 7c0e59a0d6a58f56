using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

public sealed partial class TrainJob
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);

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
        Dataset? unlabelled = UnlabelledImages.Read(options, data);
        OutputFolder.RequireWritable(options.Output);
        TrainingSet.RequireTwoPerClass(data, data.CountPerClass(), []);
        Backbone backbone = OpenBackbone(cancellation);
        IRecipe recipe = options.Strategy.Recipe(Settings(backbone));
        recipe.Check(Taps(backbone), data.ClassNames.Count);
        using OutputLock held = OutputFolder.Hold(options.Output);
        using FeatureExtractor extractor = ExtractorOf(backbone, ExecutionPlan.For(options.Device, options.Workers));
        ItemRows rows = extractor.Extract(data.Items, FeatureCacheFolder, progress, cancellation);
        TrainingSet set = With(unlabelled, TrainingSet.Of(data, rows, extractor, options), progress, cancellation);
        recipe = Advised(recipe, backbone, set, Quadrant(backbone, set, cancellation));
        WrittenModel written = FitAndStage(recipe, backbone, set, progress, cancellation);
        using (written.File)
            written.File.Take();
        recipe.Written();
        return written;
    }

    /// <summary>
    /// Prepares a training, its features included, for what is not a whole run; nothing but the caches is written.
    /// </summary>
    /// <param name="work">What to do with it, while its extractor is open.</param>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the work.</param>
    internal T With<T>(Func<PreparedTraining, T> work, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        TrainRules.Require(options);
        Dataset data = HeldOutRows.WithoutUnassigned(DatasetReader.Read(options.Folder, options.Dataset));
        HeldOutRows.RequireNoOtherSplit(data, options);
        TrainingSet.RequireTwoPerClass(data, data.CountPerClass(), []);
        Backbone backbone = OpenBackbone(cancellation);
        TextColumns.Require(backbone.Card.Encoder, options.Dataset.TextColumn, [], $"Backbone '{backbone.Card.Id}'");
        RecipeSettings settings = Settings(backbone);
        options.Strategy.Recipe(settings).Check(Taps(backbone), data.ClassNames.Count);
        using FeatureExtractor extractor = ExtractorOf(backbone, ExecutionPlan.For(options.Device, options.Workers));
        ItemRows rows = extractor.Extract(data.Items, FeatureCacheFolder, progress, cancellation);
        TrainingSet set = TrainingSet.Of(data, rows, extractor, options);
        return work(new PreparedTraining(settings, set.Recipe(options), TrainRows(set), SharedFolds(set)));
    }

    /// <summary>The set with images without labels, where there are some.</summary>
    private TrainingSet With(
        Dataset? unlabelled,
        TrainingSet set,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    ) =>
        unlabelled is null
            ? set
            : set with
            {
                Unlabelled = UnlabelledImages.Of(options, unlabelled, set, FeatureCacheFolder, progress, cancellation),
            };

    /// <summary>
    /// Trains folds of a run that another process does, or will do, with the same options and output folder: each that
    /// no other process is at.
    /// </summary>
    /// <param name="isOver">Whether the run has come to its end.</param>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the work; another process goes on from the last epoch.</param>
    /// <returns>How many trainings were done here.</returns>
    internal int TrainFolds(Func<bool> isOver, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var watch = new Timer(
            _ =>
            {
                if (isOver())
                    end.Cancel();
            },
            null,
            LookAgain,
            LookAgain
        );
        int own = 0;
        try
        {
            With(training => TrainFolds(training, isOver, () => own++, progress, end.Token), progress, end.Token);
        }
        catch (Exception e)
            when (e is OperationCanceledException or DirectoryNotFoundException
                && !cancellation.IsCancellationRequested
                && isOver()
            )
        {
            // What was at work here was of no use: of a machine on which the training is another.
        }

        if (isOver())
            SharedFold.Remove(options.Output);
        return own;
    }

    private static bool TrainFolds(
        PreparedTraining training,
        Func<bool> isOver,
        Action trained,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        int[] fold = training.Folds!,
            all = [.. Enumerable.Range(0, fold.Length)];
        var recipe = new FineTuneRecipe(training.Settings);
        // The run itself begins with the first fold and ends with the training on all rows, which is number 0.
        List<int> left = [.. Enumerable.Range(0, fold.Max() + 2)];
        left.Reverse(1, left.Count - 1);
        while (left.Count > 0 && !isOver())
        {
            bool isWaiting = true;
            foreach (int number in left.ToArray())
            {
                int[] rows = number == 0 ? all : Array.FindAll(all, row => fold[row] != number - 1);
                if (recipe.TryTrain(training.Rows, rows, isOver, new(number, progress, cancellation)) is not { } isOwn)
                    continue;
                if (isOwn)
                    trained();
                left.Remove(number);
                isWaiting = false;
            }

            // Others are at what is left; where one of them dies, it is free.
            if (isWaiting && left.Count > 0)
            {
                cancellation.WaitHandle.WaitOne(LookAgain);
                cancellation.ThrowIfCancellationRequested();
            }
        }

        return left.Count == 0;
    }

    /// <summary>The folds that a run shares; null where it is done by one process.</summary>
    /// <exception cref="TransferException">It is to share folds, and has none that take time.</exception>
    private int[]? SharedFolds(TrainingSet set) =>
        !services.SharesFolds ? null
        : options.Strategy.Network is not null && set.Protocol.Kind == ProtocolKind.CrossValidation
            ? HeldOutRows.Folds(set.Data, set.Rows, set.Table, options, set.Protocol.Folds)
        : throw new TransferException(
            $"There are no folds to share: the strategy is {options.Strategy.Label}, judged by "
                + $"{(set.Protocol.Kind == ProtocolKind.CrossValidation ? "folds" : "a part held out")}. Take "
                + "finetune, full or scratch with 'folds: 5', or let one process do it."
        );
}

/// <summary>A training whose features are there.</summary>
/// <param name="Settings">How to train.</param>
/// <param name="Rows">All rows.</param>
/// <param name="Train">Those that may be looked at: the part held out is not among them; by folds, all are.</param>
/// <param name="Folds">Fold of each row, where processes share them; else null.</param>
internal sealed record PreparedTraining(
    RecipeSettings Settings,
    RecipeRows Rows,
    IReadOnlyList<int> Train,
    int[]? Folds
);

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
