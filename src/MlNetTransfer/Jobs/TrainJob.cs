using MlNetTransfer.Advice;
using MlNetTransfer.Backbones;
using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>
/// From labelled images to a model file and a report: features of a backbone, a head on them or the whole network
/// trained, an evaluation on held-out images.
/// </summary>
/// <remarks>
/// No model is written before everything has worked: it is written beside, read back, checked on real images against
/// what was evaluated, and only then takes its name. Equal images, options and seed give an equal model file on the
/// same kind of machine.
/// </remarks>
/// <param name="options">The run.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed partial class TrainJob(TrainOptions options, JobServices? services = null) : IJob<TrainSummary>
{
    private readonly JobServices services = services ?? JobServices.Default;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job; no model file is touched.</param>
    /// <returns>What <c>report.json</c> holds.</returns>
    /// <exception cref="TransferException"> The data set, an option or the written model is not as it has to be, or
    /// another run writes into the output folder; the message names it and the fix.
    /// </exception>
    public TrainSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = services.Clock.GetTimestamp();
        TrainRules.Require(options);
        Dataset data = HeldOutRows.WithoutUnassigned(DatasetReader.Read(options.Folder, options.Dataset));
        HeldOutRows.RequireNoOtherSplit(data, options);
        TrainingSet.RequireTwoPerClass(data, data.CountPerClass(), []);
        Dataset? unlabelled = UnlabelledImages.Read(options, data);
        OutputFolder.RequireWritable(options.Output);
        Backbone backbone = OpenBackbone(cancellation);
        TextColumns.Require(backbone.Card.Encoder, options.Dataset.TextColumn, [], $"Backbone '{backbone.Card.Id}'");
        IRecipe recipe = options.Strategy.Recipe(Settings(backbone));
        recipe.Check(Taps(backbone), data.ClassNames.Count);
        using OutputLock held = OutputFolder.Hold(options.Output);
        using FeatureExtractor extractor = ExtractorOf(backbone, ExecutionPlan.For(options.Device, options.Workers));
        ItemRows rows = extractor.Extract(data.Items, FeatureCacheFolder, progress, cancellation);
        TrainingSet set = TrainingSet.Of(data, rows, extractor, options);
        set = With(unlabelled, set, progress, cancellation);
        _ = SharedFolds(set);
        DataQuadrant? quadrant = Quadrant(backbone, set, cancellation);
        recipe = Advised(recipe, backbone, set, quadrant);
        return Finish(started, recipe, backbone, set, quadrant, progress, cancellation);
    }

    /// <summary>
    /// The quadrant of the rule of thumb, by images to train on; by folds all of them, since each is trained on. Null
    /// where the strategy is given.
    /// </summary>
    private DataQuadrant? Quadrant(Backbone backbone, TrainingSet set, CancellationToken cancellation)
    {
        if (!options.Strategy.Chooses)
            return null;
        TapGroups groups = set.Extractor.Groups;
        int tap = Math.Max(0, groups.Names.ToList().IndexOf(backbone.Card.DefaultTap));
        return DataQuadrant.Of(groups.Columns(set.Table, [tap]).Select(TrainRows(set)), options.Seed, cancellation);
    }

    /// <summary>The rows that are trained on; by folds, where each is in turn, all of them.</summary>
    private IReadOnlyList<int> TrainRows(TrainingSet set) =>
        options.FitsAll || set.Protocol.Kind == ProtocolKind.CrossValidation
            ? [.. Enumerable.Range(0, set.Table.Rows)]
            : HeldOutRows
                .Of(
                    set.Data,
                    set.Rows,
                    set.Table,
                    options,
                    set.Protocol.TestFraction ?? EvaluationProtocol.DefaultTestFraction
                )
                .Train;

    /// <summary>The recipe that follows the rule of thumb; what was given where the strategy is.</summary>
    private IRecipe Advised(IRecipe recipe, Backbone backbone, TrainingSet set, DataQuadrant? quadrant)
    {
        if (quadrant is null)
            return recipe;
        IRecipe advised = options.Strategy.Recipe(Settings(backbone) with { Rule = quadrant.Rule });
        advised.Check(Taps(backbone), set.Data.ClassNames.Count);
        return advised;
    }

    private RecipeSettings Settings(Backbone backbone) =>
        new()
        {
            Strategy = options.Strategy,
            Backbone = backbone,
            Choice = ChoiceOf(backbone),
            Head = new HeadRecipeOptions
            {
                Head = options.Head,
                L2 = options.L2,
                ClassWeights = options.ClassWeights,
                Thresholds = options.Thresholds,
                ChoosesTap = options.Taps is null,
                Seed = options.Seed,
                Workers = options.Workers,
            },
            PseudoLabels = options.PseudoLabels,
            FineTune = options.FineTune,
            Preset = options.Preset ?? TrainingPreset.Good,
            TrainingDevice = services.TrainingDevice ?? ExecutionPlan.For(options.Device).TrainingDevice,
            Limits = options.Limits,
            Folder = options.Output,
            BoundaryCache = options.CacheFeatures ? Path.Combine(options.CacheFolder, "boundary") : null,
            Resume = options.Resume,
            SharesFolds = services.SharesFolds,
            Logs = options.Logs,
            OnEpoch = services.OnEpoch,
            Clock = services.Clock,
        };

    private string? FeatureCacheFolder => options.CacheFeatures ? Path.Combine(options.CacheFolder, "features") : null;

    private BackboneTap[] Taps(Backbone backbone) => [.. options.Taps?.Select(backbone.Card.Tap) ?? backbone.Card.Taps];

    private FeatureExtractor ExtractorOf(Backbone backbone, ExecutionPlan plan) =>
        new(backbone, [.. Taps(backbone).Select(t => t.Name)], options.Limits, plan);

    private Backbone OpenBackbone(CancellationToken cancellation)
    {
        string folder = Path.Combine(options.CacheFolder, "backbones");
        BackboneCatalog catalog = services.Catalog;
        IReadOnlyList<string> ids = BackboneCandidates.Of(options, catalog);
        BackboneCandidates.RequireOneToTrain(options, ids);
        Backbone backbone = new BackboneStore(catalog, folder).Open(ids, cancellation);
        if (options.FineTune.InitialWeights is { } weights)
            backbone = InitialWeights.Open(backbone, [.. Taps(backbone).Select(t => t.Tensor)], weights, folder);
        return MirroredNetwork.Of(backbone, options.TestTimeAugmentation);
    }

    /// <summary>What to choose among the networks by; null where all are taken, or there is one.</summary>
    private BackboneChoice? ChoiceOf(Backbone backbone) =>
        options.Backbone == BackboneCandidates.Auto && backbone.Parts.Count > 1
            ? new BackboneChoice { MostMilliseconds = options.MaxMilliseconds }
            : null;

    /// <summary>From features to the model file and the report.</summary>
    private TrainSummary Finish(
        long started,
        IRecipe recipe,
        Backbone backbone,
        TrainingSet set,
        DataQuadrant? quadrant,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        PreviousRun? previous = PreviousRun.Of(options.Output);
        WrittenModel written = FitAndStage(recipe, backbone, set, progress, cancellation);
        using StagedFile staged = written.File;
        (Trial trial, ModelMetadata metadata) = (written.Trial, written.Metadata);
        TrainingChecks checks = TrainingChecks.Of(
            set,
            trial,
            backbone.Card.Encoder.Kind == EncoderKind.Texts,
            options.Workers,
            cancellation
        );
        IReadOnlyList<StrategyTrial> strategies = trial.Strategies.Count > 0 ? trial.Strategies : trial.Fit.Strategies;
        var summary = new TrainSummary(
            set.Table.Rows,
            trial.Report!,
            set.Rejected,
            set.Rows.ImagesPerSecond,
            services.Clock.GetElapsedTime(started)
        )
        {
            TrainImages = trial.TrainRows.Count,
            TestImages = trial.TestRows.Count,
            Protocol = set.Protocol,
            FoldAccuracies = trial.FoldAccuracies,
            Strategy =
                strategies.FirstOrDefault(way => way.Taken)?.Strategy
                ?? (options.Strategy.Chooses ? TrainingStrategy.Head : options.Strategy).Name.ToLowerInvariant(),
            Strategies = strategies,
            Advised = quadrant,
            CorrectedAccuracy = trial.Corrected?.Accuracy,
            CorrectedInterval = trial.Corrected is { } corrected
                ? [corrected.Interval.Low, corrected.Interval.High]
                : null,
            Training = trial.Fit.Training,
            Frozen = written.Frozen is { } frozen ? FrozenBaseline.Of(frozen, trial, set.Table.Labels) : null,
            Backbone = metadata.Backbone,
            FoldBackbones = ChoiceOf(backbone) is null ? [] : trial.FoldNetworks,
            Leaderboard = trial.Fit.Head.Leaderboard,
            MaxMilliseconds = options.MaxMilliseconds,
            Taps = metadata.Taps,
            TapTrials = trial.Fit.Head.TapTrials,
            FeatureWidth = trial.Fit.Head.Head.Width,
            Head = trial.Fit.Head.Selection.Name,
            HeadTrials = trial.Fit.Head.Selection.Trials,
            Temperature = trial.Fit.Head.Selection.Temperature,
            SelfTraining = trial.Fit.Head.SelfTraining,
            LogLossUncalibrated = trial.Uncalibrated!.LogLoss,
            Previous = previous,
            EceUncalibrated = trial.Uncalibrated!.CalibrationError,
            CalibrationErrorUncalibrated = trial.Uncalibrated!.Metrics.CalibrationError,
            Reliability = metadata.Reliability,
            Seed = options.Seed,
            TestFraction = (double)trial.TestRows.Count / set.Table.Rows,
            FromCache = set.Rows.FromCache,
            Model = written.Path,
            ModelSha256 = staged.Sha256,
            TrainingDigest = metadata.TrainingDigest,
            Parity = written.Parity,
            Options = options,
            Command = services.Command,
            Notes =
            [
                .. HeldOutRows.Notes(set.Data),
                .. TrainRules.Notes(options),
                .. DuplicateNotes.Of(set, trial),
                .. checks.Notes(),
                .. ClassSizes.Notes(set.Data.ClassNames, set.Table.RowsPerClass()),
                .. BackboneCandidates.Notes(ChoiceOf(backbone), written.Costs),
                .. set.Unlabelled?.Notes ?? [],
                .. trial.Notes,
                .. trial.Fit.Notes,
            ],
            FindingCounts = checks.Counts,
            Findings = checks.Kept,
            Predictions = Predictions(set, trial),
        };
        ModelAndReport.Write(
            staged,
            Path.Combine(options.Output, "report.json"),
            summary,
            () =>
            {
                PredictionRows.Of(summary).Write(Path.Combine(options.Output, "predictions.csv"));
                if (options.SaveWeights)
                    InitialWeights.Save(
                        written.Onnx.CutAt(TransferModel.ProbabilitiesOutput, TransferModel.LabelOutput),
                        Path.Combine(options.Output, "weights.safetensors")
                    );
            }
        );
        recipe.Written();
        return summary;
    }

    private static EvaluatedItem[] Predictions(TrainingSet set, Trial trial)
    {
        int classes = set.Data.ClassNames.Count;
        return
        [
            .. trial.TestRows.Select(
                (row, i) =>
                    new EvaluatedItem(
                        set.Item(row).Name,
                        set.Data.ClassNames[set.Table.Labels[row]],
                        false,
                        trial.Probabilities.Slice(i * classes, classes)
                    )
                    {
                        Fold = trial.Folds.Count > 0 ? trial.Folds[row] : null,
                        Location = set.Item(row).Location,
                    }
            ),
        ];
    }

    /// <summary>Trains, and writes the model file beside its place once it agrees with what was evaluated.</summary>
    private WrittenModel FitAndStage(
        IRecipe recipe,
        Backbone backbone,
        TrainingSet set,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        RecipeRows all = set.Recipe(options) with
        {
            Costs = ChoiceOf(backbone) is { } choice
                ? BackboneCandidates.Costs(set.Data, set.Rows, set.Extractor, choice, services.Clock, cancellation)
                : [],
        };
        Trial? frozen = Frozen(backbone, all, set, progress, cancellation);
        Trial trial = Trial.Of(recipe, all, set, options, progress, cancellation);
        backbone = backbone.Only([.. trial.Fit.Head.Taps.Select(tap => set.Extractor.Taps[tap])]).Backbone;
        IReadOnlyList<BackboneTap> taps = trial.Fit.Taps;
        TrialReliability reliability = TrialReliability.Of(trial, all, options, cancellation);
        var metadata = new ModelMetadata
        {
            Labels = set.Data.ClassNames,
            Encoder = backbone.Card.Encoder,
            Backbone = backbone.Card.Id,
            CardDigest = backbone.Card.Digest(),
            Taps = [.. taps.Select(t => t.Name)],
            TrainingDigest = trial.Fit.Digest(),
            TrainingImages = Trained(set, trial),
            Reliability = reliability.Facts,
        };
        if (trial.Report is not null)
            metadata = metadata with { ModelCard = Card(metadata, backbone.Card, set, trial).ToMarkdown() };
        OnnxModel onnx = ModelGraph.Build(
            FeatureGraph.Build(trial.Fit.Network(), [.. taps.Select(t => t.Tensor)]),
            trial.Fit.Head.Head,
            reliability.Score,
            metadata
        );
        int[] checkedRows = [.. trial.TestRows.Concat(trial.TrainRows).Distinct().Take(ModelWriter.ParityImages)];
        FeatureTable features = trial.Fit.Features(all, checkedRows, new FitContext(0, null, cancellation));
        var sample = new ParitySample([.. checkedRows.Select(set.Item)], trial.Fit.Head.Head.Predict(features))
        {
            Score = reliability.Score,
            Unknown = reliability.Score is { } score ? [.. score.Score(features).Select(s => (float)s)] : [],
        };
        string path = Path.Combine(options.Output, "model.onnx");
        (StagedFile file, ParityRecord parity) = new ModelWriter(options.Limits, set.Extractor.Plan).Stage(
            onnx,
            path,
            sample,
            progress,
            cancellation
        );
        var training = new ImageClassificationTraining
        {
            Strategy = options.Strategy,
            Head = trial.Fit.Head.Selection.Name,
            Images = set.Table.Rows,
            Taps = metadata.Taps,
            TapTrials = trial.Fit.Head.TapTrials,
            HeadTrials = trial.Fit.Head.Selection.Trials,
            SelfTraining = trial.Fit.Head.SelfTraining,
            Rejected = set.Rejected,
            Reliability = reliability.Facts,
        };
        return new WrittenModel(trial, metadata, onnx, sample, path, file, parity, training, all.Costs)
        {
            Frozen = frozen,
        };
    }

    /// <summary>The images that the written model was trained on, with or without labels.</summary>
    private static ImageHashes Trained(TrainingSet set, Trial trial) =>
        trial.Fit.Head.SelfTraining?.Method is null
            ? ImageHashes.Of(set.Rows.Digests, trial.TrainRows)
            : ImageHashes.Of(
                [.. set.Rows.Digests, .. set.Unlabelled!.Digests],
                trial.TrainRows.Concat(Enumerable.Range(set.Table.Rows, set.Unlabelled.Table.Rows))
            );

    /// <summary>
    /// A head on the frozen features, by the same protocol: what a training of the network has to beat. Null where
    /// there is no such training, or nothing is evaluated.
    /// </summary>
    private Trial? Frozen(
        Backbone backbone,
        RecipeRows all,
        TrainingSet set,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    ) =>
        options.Strategy.Network is null || options.FitsAll
            ? null
            : Trial.Of(new HeadRecipe(Settings(backbone)), all, set, options, progress, cancellation);

    private ModelCard Card(ModelMetadata metadata, BackboneCard backbone, TrainingSet set, Trial trial) =>
        new()
        {
            Labels = metadata.Labels,
            TrainPerClass = TrainingSet.CountPerClass(set.Table, trial.TrainRows),
            TestPerClass = TrainingSet.CountPerClass(set.Table, trial.TestRows),
            Folds = set.Protocol.Folds,
            Seed = options.Seed,
            Report = trial.Report!,
            Backbone = backbone,
            Taps = metadata.Taps,
            Head = trial.Fit.Head.Selection.Name,
            Temperature = trial.Fit.Head.Selection.Temperature,
            TrainingDigest = metadata.TrainingDigest,
            Reliability = metadata.Reliability,
        };
}
