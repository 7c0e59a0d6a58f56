using MlNetTransfer.Backbones;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Training;

namespace MlNetTransfer.Pipelines;

/// <summary>Trains a classifier on images or on their bottleneck features, with the backbone frozen: what the training job does, on the rows of a view.</summary>
/// <remarks>
/// On images it computes the features itself, at all taps of the backbone, and chooses among them. On features it takes them as they are, and where
/// a backbone made them at several taps, chooses among those. The head is calibrated by cross-validation on the same rows. Equal rows, options and seed give equal bytes.
/// </remarks>
public sealed class ImageClassificationTrainer : IEstimator<ImageClassificationTransformer>
{
    /// <summary>The backbone where none is named.</summary>
    public const string DefaultBackbone = "mobilenet_v2_140";

    private const string Step = "ImageClassification";

    private readonly PipelineEnvironment environment;
    private readonly ImageClassificationOptions options;

    internal ImageClassificationTrainer(PipelineEnvironment environment, ImageClassificationOptions options)
    {
        (this.environment, this.options) = (environment, options);
        if (options.Head != HeadKind.Mlp && options.EpochOptions().ToArray() is { Length: > 0 } wrong)
            throw new ArgumentException($"{string.Join(", ", wrong)} cannot be used with Head = {options.Head}, which is solved, not trained in epochs. Set Head = {HeadKind.Mlp}, or drop them.", nameof(options));
        if (options.ValidationSet is not null && options.ValidationSetFraction is not null)
            throw new ArgumentException("Give ValidationSet or ValidationSetFraction, not both.", nameof(options));
    }

    /// <inheritdoc/>
    public Schema GetOutputSchema(Schema input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return StepSchema.Of(Step, input, before =>
        {
            Column feature = FeatureColumn(before);
            if (feature.Type.Kind == ColumnKind.Image) _ = Taps(environment.Catalog.Get(options.Backbone ?? DefaultBackbone));
            IReadOnlyList<string>? classes = LabelColumn(before).Type.ClassNames;
            if (options.ValidationSet is { } validation)
            {
                _ = FeatureColumn(validation.Schema);
                _ = LabelColumn(validation.Schema);
            }

            return ImageClassificationTransformer.OutputSchema(before, Step, options, classes);
        });
    }

    /// <inheritdoc/>
    public ImageClassificationTransformer Fit(IDataView data, IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        _ = GetOutputSchema(data.Schema);
        ApplyBackboneTransformer? backbone = FeatureColumn(data.Schema).Type.Kind == ColumnKind.Image ? MakeBackbone(cancellation) : null;
        try
        {
            string features = backbone?.FeatureColumn ?? options.FeatureColumnName;
            FeatureTable train = FeatureReader.Read(backbone?.Transform(data) ?? data, Step, features, options.LabelColumnName, progress, cancellation);
            FeatureTable? validation = options.ValidationSet is { } set
                ? FeatureReader.Relabel(FeatureReader.Read(backbone?.Transform(set) ?? set, Step, features, options.LabelColumnName, progress, cancellation), train.ClassNames)
                : null;
            ColumnType type = backbone is null ? data.Schema[features].Type : ApplyBackboneTransformer.Features(environment.Catalog.Get(backbone.Backbone), backbone.Taps);
            TapGroups groups = type.Taps ?? new TapGroups([features], [type.Width]);
            HeadRecipeOptions recipe = Recipe(validation);
            FittedHead fitted = new HeadRecipe(recipe, groups, type.DefaultTap ?? features).Fit(train, Told(progress), cancellation);
            return new ImageClassificationTransformer(options, train.ClassNames, fitted, [.. Enumerable.Range(0, train.Classes).Select(c => train.Labels.Count(l => l == c))], TrainingDigest.OfRows(train, recipe), backbone);
        }
        catch
        {
            backbone?.Dispose();
            throw;
        }
    }

    private Column FeatureColumn(Schema schema)
    {
        Column feature = schema.Require(options.FeatureColumnName, $"Append ApplyBackbone before, or set {nameof(options.FeatureColumnName)} to a column of images or features.", ColumnKind.Image, ColumnKind.Vector);
        if (feature.Type.Kind == ColumnKind.Vector && options.ImageOptions().ToArray() is { Length: > 0 } wrong)
            throw new SchemaException($"{string.Join(", ", wrong)} would have no effect, since column '{feature.Name}' has features already. Drop the option, or give the images.");
        return feature;
    }

    private Column LabelColumn(Schema schema) => schema.Require(options.LabelColumnName, "Append Conversion.MapValueToKey before.", ColumnKind.Key);

    private IReadOnlyList<string> Taps(BackboneCard card) => options.Taps is null ? [.. card.Taps.Select(t => t.Name)] : [.. options.Taps.Select(t => card.Tap(t).Name)];

    private ApplyBackboneTransformer MakeBackbone(CancellationToken cancellation)
    {
        Backbone backbone = environment.Open(options.Backbone ?? DefaultBackbone, cancellation);
        string? folder = options.ReuseTrainSetBottleneckCachedValues ? options.WorkspacePath ?? environment.FeatureFolder : null;
        return new ApplyBackboneTransformer(environment, $"{Step} features of {options.FeatureColumnName}", options.FeatureColumnName, backbone, Taps(backbone.Card), folder);
    }

    private HeadRecipeOptions Recipe(FeatureTable? validation)
    {
        var recipe = new HeadRecipeOptions { Head = options.Head, L2 = options.L2, ClassWeights = options.ClassWeights, ChoosesTap = options.Taps is null, Seed = environment.Seed, Workers = environment.Options.Workers };
        if (!options.EpochOptions().Any()) return recipe;
        MlpTrainerOptions mlp = new();
        return recipe with
        {
            Validation = validation,
            Mlp = new MlpTrainerOptions
            {
                MaxEpochs = options.Epoch ?? mlp.MaxEpochs,
                BatchSize = options.BatchSize ?? mlp.BatchSize,
                LearningRate = options.LearningRate ?? mlp.LearningRate,
                Patience = options.EarlyStoppingCriteria?.Patience ?? mlp.Patience,
                ValidationFraction = options.ValidationSetFraction ?? mlp.ValidationFraction,
                Seed = environment.Seed,
            },
        };
    }

    private IProgress<FitProgress>? Told(IProgress<JobProgress>? progress) => options.MetricsCallback is { } callback ? new Teller(callback, FitToJobProgress.Of(progress)) : FitToJobProgress.Of(progress);

    private sealed class Teller(Action<FitProgress> callback, FitToJobProgress? progress) : IProgress<FitProgress>
    {
        public void Report(FitProgress value)
        {
            callback(value);
            progress?.Report(value);
        }
    }
}
