using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Training;

namespace MlNetTransfer;

/// <summary>Image classification in ML.NET's catalogs of trainers.</summary>
public static class ImageClassificationCatalog
{
    /// <summary>Trains a classifier of several classes on images, or on their features.</summary>
    /// <param name="trainers"><c>mlContext.MulticlassClassification.Trainers</c>.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="ArgumentException"> Two columns have one name, or an option has no effect beside the others.
    /// </exception>
    public static ImageClassificationTrainer ImageClassification(
        this MulticlassClassificationCatalog.MulticlassClassificationTrainers trainers,
        ImageClassificationOptions? options = null
    ) => new(EnvironmentOfCatalog.Of(trainers), options ?? new ImageClassificationOptions(), binary: false);

    /// <summary>Trains a classifier of several classes with all other options at their defaults.</summary>
    /// <param name="trainers"><c>mlContext.MulticlassClassification.Trainers</c>.</param>
    /// <param name="labelColumnName">Column with the classes, of key type.</param>
    /// <param name="featureColumnName">Column of images, or of their features.</param>
    public static ImageClassificationTrainer ImageClassification(
        this MulticlassClassificationCatalog.MulticlassClassificationTrainers trainers,
        string labelColumnName,
        string featureColumnName = "ImagePath"
    ) =>
        trainers.ImageClassification(
            new ImageClassificationOptions { LabelColumnName = labelColumnName, FeatureColumnName = featureColumnName }
        );

    /// <summary>
    /// Trains a classifier of two classes on images, or on their features: the label is bool, and there is a column
    /// with the probability of "true".
    /// </summary>
    /// <param name="trainers"><c>mlContext.BinaryClassification.Trainers</c>.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="ArgumentException"> Two columns have one name, or an option has no effect beside the others.
    /// </exception>
    public static ImageClassificationTrainer ImageClassification(
        this BinaryClassificationCatalog.BinaryClassificationTrainers trainers,
        ImageClassificationOptions? options = null
    ) => new(EnvironmentOfCatalog.Of(trainers), options ?? new ImageClassificationOptions(), binary: true);
}

/// <summary>Trains an image classifier: a head on features of a frozen backbone, or the network itself.</summary>
/// <remarks>
/// Fit trains on all rows that it is given, by the recipe of <see cref="TrainJob"/>: equal images, labels and options
/// give equal figures. Features are computed once per image, in parallel, and kept by content. Nothing is held out
/// here: divide the data before, with <c>mlContext.Data.StratifiedSplit</c>.
/// </remarks>
public sealed class ImageClassificationTrainer : IEstimator<ImageClassificationTransformer>
{
    private readonly IHostEnvironment? environment;
    private readonly ImageClassificationOptions options;
    private readonly bool binary;

    internal ImageClassificationTrainer(IHostEnvironment? environment, ImageClassificationOptions options, bool binary)
    {
        (this.environment, this.options, this.binary) = (environment, options, binary);
        string[] names =
        [
            options.FeatureColumnName,
            options.LabelColumnName,
            options.ScoreColumnName,
            options.PredictedLabelColumnName,
            .. binary ? [options.ProbabilityColumnName] : (string[])[],
            .. SaidColumns.NamesOf(options),
        ];
        if (names.GroupBy(n => n).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new ArgumentException(
                $"'{twice.Key}' is the name of {twice.Count()} of the columns {string.Join(", ", names)} (images or "
                    + $"features, label, score, predicted label and what else is said). Give each a name of its own.",
                nameof(options)
            );
        if (!binary && options.ProbabilityColumnName != new ImageClassificationOptions().ProbabilityColumnName)
            throw new ArgumentException(
                $"{nameof(options.ProbabilityColumnName)} is for two classes (mlContext.BinaryClassification). "
                    + $"Leave it out.",
                nameof(options)
            );
        if (binary && options.Reliability is not null)
            throw new ArgumentException(
                $"{nameof(options.Reliability)} is for several classes; two can be told apart by "
                    + $"mlContext.MulticlassClassification too, with keys as labels. Take that, or leave it out.",
                nameof(options)
            );
        if (options.WithoutEffect(onFeatures: false).FirstOrDefault() is { } wrong)
            throw new ArgumentException(wrong, nameof(options));
    }

    /// <summary>Trains.</summary>
    /// <param name="input">Rows with images or features, and labels; all are trained on.</param>
    /// <returns>The classifier; dispose it to release ONNX Runtime's session.</returns>
    /// <exception cref="TransferException"> A column, a row or an option is not as it has to be; the message names it
    /// and the fix.
    /// </exception>
    /// <exception cref="OperationCanceledException"> <see cref="ImageClassificationOptions.Cancellation"/> was
    /// cancelled.
    /// </exception>
    public ImageClassificationTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        options.Cancellation.ThrowIfCancellationRequested();
        LabelKeyColumn label = LabelKeyColumn.Of(input.Schema, options.LabelColumnName, binary);
        return IsFeatures(input.Schema) ? FitOnFeatures(input, label) : FitOnImages(input, label);
    }

    /// <summary>The columns after training: those of the input, the scores and the predicted label.</summary>
    /// <param name="inputSchema">The columns before.</param>
    /// <exception cref="TransferException">A column is missing or of another type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        SchemaShape.Column feature = ItemColumn.Find(inputSchema, options.FeatureColumnName);
        if (feature.Kind != SchemaShape.Column.VectorKind.Vector || feature.ItemType != NumberDataViewType.Single)
            _ = ItemColumn.Of(inputSchema, options.FeatureColumnName);
        LabelKeyColumn.Check(inputSchema, options.LabelColumnName, binary);
        TransformsCatalog transforms = new MLContext(1).Transforms;
        if (binary)
            return OutputsOfTwo(transforms).GetOutputSchema(inputSchema);

        // One number per key value, named by it; the expression keeps of its annotations the slot names alone.
        SchemaShape scored = transforms
            .Conversion.MapKeyToVector(options.ScoreColumnName, options.LabelColumnName)
            .Append(transforms.Expression(options.ScoreColumnName, "x : x", options.ScoreColumnName))
            .Append(transforms.CopyColumns(options.PredictedLabelColumnName, options.LabelColumnName))
            .GetOutputSchema(inputSchema);
        return options.Reliability is null ? scored : SaidColumns.Shape(transforms, options).GetOutputSchema(scored);
    }

    private CustomMappingEstimator<NoRow, BinaryMapping.Yes> OutputsOfTwo(TransformsCatalog transforms)
    {
        SchemaDefinition outputs = SchemaDefinition.Create(typeof(BinaryMapping.Yes));
        outputs[nameof(BinaryMapping.Yes.Odds)].ColumnName = options.ScoreColumnName;
        outputs[nameof(BinaryMapping.Yes.Share)].ColumnName = options.ProbabilityColumnName;
        outputs[nameof(BinaryMapping.Yes.Label)].ColumnName = options.PredictedLabelColumnName;
        return transforms.CustomMapping<NoRow, BinaryMapping.Yes>(
            (_, _) => { },
            null,
            SchemaDefinition.Create(typeof(NoRow)),
            outputs
        );
    }

    private bool IsFeatures(DataViewSchema schema) =>
        schema.GetColumnOrNull(options.FeatureColumnName)?.Type is VectorDataViewType { IsKnownSize: true } vector
        && vector.ItemType == NumberDataViewType.Single;

    private ImageClassificationTransformer FitOnImages(IDataView input, LabelKeyColumn label)
    {
        BackboneCatalog catalog = BackboneCatalog.Default;
        ExecutionPlan plan = EnvironmentOfCatalog.Plan(environment, options.Workers);
        if (
            BackboneCandidates
                .Of(options.ToJob("-", plan), catalog)
                .Any(id => catalog.Get(id).Encoder.Kind == EncoderKind.Texts)
        )
            throw new TransferException(
                $"Backbone '{options.Backbone}' takes texts; this trainer reads images. Make features of the texts "
                    + $"first ({nameof(TextFeaturizingCatalog.FeaturizeTextWithBackbone)}) and train on their column."
            );
        ItemColumn images = ItemColumn.Of(input.Schema, options.FeatureColumnName);
        Dataset data = ReadImages(input, images, label);
        string? temporary = options.WorkspacePath is null
            ? Directory.CreateTempSubdirectory("mlnet-transfer-").FullName
            : null;
        try
        {
            TrainOptions job = options.ToJob(options.WorkspacePath ?? temporary!, plan);
            WrittenModel fitted = new TrainJob(job, new JobServices { OnEpoch = options.MetricsCallback }).Fit(
                data,
                new LogProgress(environment, options.Progress),
                options.Cancellation
            );
            foreach (RejectedItem image in fitted.Training.Rejected)
                Rejected(image);
            byte[] onnx = File.ReadAllBytes(fitted.Path);
            Preprocessing preprocessing = fitted.Metadata.Preprocessing;
            SaidColumns? said = options.Reliability is null
                ? null
                : new SaidColumns(options, label.Names, fitted.Metadata.Reliability!);
            (byte[] graph, string row) = (onnx, TransferModel.ProbabilitiesOutput);
            if (said is not null)
            {
                (OnnxModel answers, row) = AnswerRows.Graph(OnnxModel.Parse(onnx));
                graph = answers.ToBytes();
            }

            var scorer = new ItemRowScorer(graph, new ItemGraph(graph, row, preprocessing, options.Limits, plan), null);
            var rows = new ClassifierRows(
                images,
                scorer,
                label.Outputs(options, said),
                [.. fitted.Sample.Items.Take(8)],
                onnx,
                preprocessing,
                label.Stock(options, said)
            )
            {
                Said = said,
                OnRejected = options.OnRejected,
                Cancellation = options.Cancellation,
            };
            return new ImageClassificationTransformer(
                rows,
                options.FeatureColumnName,
                input.Schema[options.FeatureColumnName].Type,
                fitted.Training
            );
        }
        finally
        {
            if (temporary is not null)
                Directory.Delete(temporary, recursive: true);
        }
    }

    private Dataset ReadImages(IDataView input, ItemColumn images, LabelKeyColumn label)
    {
        var items = new List<DataItem>();
        using DataViewRowCursor cursor = input.GetRowCursor([input.Schema[images.Name], input.Schema[label.Name]]);
        Func<DataItem> image = images.Reader(cursor);
        Func<int> key = label.Reader(cursor);
        while (cursor.MoveNext())
        {
            options.Cancellation.ThrowIfCancellationRequested();
            items.Add(image() with { Label = key() });
        }

        return new Dataset($"column {options.LabelColumnName}", label.Names, items, []);
    }

    private void Rejected(RejectedItem image)
    {
        if (options.OnRejected is null)
            throw new TransferException(
                $"The image {image.File} in column '{options.FeatureColumnName}' cannot be used: {image.Reason}. "
                    + $"Remove its row, or set {nameof(options.OnRejected)} to go on without such rows."
            );
        options.OnRejected(image);
    }

    private ImageClassificationTransformer FitOnFeatures(IDataView input, LabelKeyColumn label)
    {
        if (options.WithoutEffect(onFeatures: true).FirstOrDefault() is { } wrong)
            throw new TransferException(wrong);
        FeatureTable table = FeatureRows.Read(input, options.FeatureColumnName, label, options.Cancellation);
        var recipe = new HeadRecipeOptions
        {
            Head = options.Head,
            L2 = options.L2,
            ClassWeights = options.ClassWeights,
            Thresholds = options.Thresholds,
            ChoosesTap = false,
            Seed = options.Seed,
            Workers = options.Workers ?? Environment.ProcessorCount,
        };
        FittedHead fitted = new HeadFitter(
            recipe,
            new TapGroups([options.FeatureColumnName], [table.Width]),
            options.FeatureColumnName
        ).Fit(table, FitToJobProgress.Of(new LogProgress(environment, options.Progress)), options.Cancellation);
        StockChain chain = StockChain.OfFeatures(
            options.FeatureColumnName,
            table.Width,
            Alone(fitted.Head, table.Width),
            label.Stock(options, said: null)
        );
        var training = new ImageClassificationTraining
        {
            Strategy = TrainingStrategy.Head,
            Head = fitted.Selection.Name,
            Images = table.Rows,
        };
        return new ImageClassificationTransformer(
            chain.Model,
            options.FeatureColumnName,
            input.Schema[options.FeatureColumnName].Type,
            training
        );
    }

    private static OnnxModel Alone(IHead head, int width) =>
        ModelGraph.WithHead(
            new GraphBuilder()
                .Input(FeatureGraph.Output, ["N", width])
                .Node("Identity", [FeatureGraph.Output], ["features_alone"])
                .Output("features_alone", ["N", width])
                .Build(),
            head
        );

    private sealed class NoRow;
}
