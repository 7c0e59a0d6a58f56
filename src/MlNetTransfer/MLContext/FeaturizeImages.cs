using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;

namespace MlNetTransfer;

/// <summary>How images become features. Immutable; an invalid instance cannot be made.</summary>
public sealed record ImageFeaturizingOptions
{
    /// <summary>Concurrent workers, in [1, 1024]; no result depends on it. Default null: one per core.</summary>
    public int? Workers
    {
        get;
        init => field = value is { } n ? Check.InRange(n, 1, 1024) : null;
    }

    /// <summary>
    /// Cache for imported backbones and features. Default <see cref="MlNetTransfer.CacheFolder.Root"/>.
    /// </summary>
    public string CacheFolder
    {
        get;
        init => field = Check.NotEmpty(value);
    } = MlNetTransfer.CacheFolder.Root;

    /// <summary>Whether features are looked up and kept by the content of each image. Default true.</summary>
    public bool CacheFeatures { get; init; } = true;

    /// <summary>What an image may cost.</summary>
    public ImageLimits Limits { get; init; } = new();

    /// <summary>
    /// Told of each row whose image cannot be used; such rows are then left out, in every pass over the data. Default
    /// null: the first such row ends the work with an error that names it.
    /// </summary>
    public Action<RejectedItem>? OnRejected { get; init; }

    /// <summary>Ends passes over the data by an <see cref="OperationCanceledException"/>. Default none.</summary>
    public CancellationToken Cancellation { get; init; }
}

/// <summary>Features of images in ML.NET's catalog of transforms.</summary>
public static class ImageFeaturizingCatalog
{
    /// <summary>
    /// Computes bottleneck features of images by a pretrained backbone, in parallel and cached by the content of each
    /// image.
    /// </summary>
    /// <param name="transforms"><c>mlContext.Transforms</c>.</param>
    /// <param name="outputColumnName">
    /// Column for the features: a vector of float32 of known size, with slot names.
    /// </param>
    /// <param name="inputColumnName">
    /// Column of images: paths (text), encoded bytes (vector of bytes), <see cref="MLImage"/>, or streams
    /// (<see cref="ImageStreamTypeAttribute"/>).
    /// </param>
    /// <param name="backbone">
    /// Id of the backbone, see <see cref="BackboneCatalog"/>; or of several, separated by commas, whose features then
    /// stand side by side.
    /// </param>
    /// <param name="taps">
    /// Names of the backbone's taps, side by side; null for its default tap, or the default tap of each of several,
    /// whose taps are called <c>id/name</c>.
    /// </param>
    /// <param name="options">Workers, cache, limits; null for the defaults.</param>
    /// <exception cref="TransferException">There is no such backbone or tap.</exception>
    public static ImageFeaturizingEstimator FeaturizeImages(
        this TransformsCatalog transforms,
        string outputColumnName,
        string inputColumnName,
        string backbone = BackboneCatalog.DefaultId,
        IReadOnlyList<string>? taps = null,
        ImageFeaturizingOptions? options = null
    ) => new(transforms, outputColumnName, inputColumnName, backbone, taps, options ?? new ImageFeaturizingOptions());
}

/// <summary>
/// Turns a column of images, or of texts, into features of a pretrained backbone. Needs no training: Fit opens the
/// backbone.
/// </summary>
public sealed class ImageFeaturizingEstimator : IEstimator<ImageFeaturizingTransformer>
{
    private readonly TransformsCatalog transforms;
    private readonly string output;
    private readonly string input;
    private readonly IReadOnlyList<string> ids;
    private readonly IReadOnlyList<BackboneTap> taps;
    private readonly ImageFeaturizingOptions options;
    private readonly bool ofTexts;

    internal ImageFeaturizingEstimator(
        TransformsCatalog transforms,
        string outputColumnName,
        string inputColumnName,
        string backbone,
        IReadOnlyList<string>? taps,
        ImageFeaturizingOptions options,
        bool ofTexts = false
    )
    {
        this.ofTexts = ofTexts;
        ArgumentNullException.ThrowIfNull(transforms);
        ArgumentException.ThrowIfNullOrWhiteSpace(inputColumnName);
        (this.transforms, output, input, this.options) = (
            transforms,
            ColumnName.Checked(outputColumnName, nameof(outputColumnName)),
            inputColumnName,
            options
        );
        if (output == input)
            throw new ArgumentException(
                $"Features cannot replace the images that they are made of: both columns are '{output}'. Give the "
                    + $"features another name.",
                nameof(outputColumnName)
            );
        ids = SideBySide.Ids(backbone);
        SideBySide.RequireDifferent(ids);
        BackboneCard[] cards = [.. ids.Select(BackboneCatalog.Default.Get)];
        BackboneCard card = SideBySide.Card(cards);
        if ((card.Encoder.Kind == EncoderKind.Texts) != ofTexts)
            throw new TransferException(
                $"Backbone '{backbone}' takes {card.Encoder.Kind.Label}; this step gives it "
                    + $"{(ofTexts ? "texts" : "images")}. Call "
                    + (
                        ofTexts
                            ? nameof(ImageFeaturizingCatalog.FeaturizeImages)
                            : nameof(TextFeaturizingCatalog.FeaturizeTextWithBackbone)
                    )
                    + ", or choose another backbone."
            );
        this.taps = [.. (taps ?? SideBySide.DefaultTaps(cards)).Select(card.Tap)];
    }

    /// <summary>Opens the backbone, which is imported at its first use on a machine.</summary>
    /// <param name="input">Data with the column of images; of its rows only a few are looked at.</param>
    /// <returns>The transformer; dispose it to release ONNX Runtime's session.</returns>
    /// <exception cref="TransferException"> The column is missing or holds no images, or the backbone cannot be opened.
    /// </exception>
    public ImageFeaturizingTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        options.Cancellation.ThrowIfCancellationRequested();
        ItemColumn images = ItemColumn.Of(input.Schema, this.input, ofTexts);
        if (input.Schema.GetColumnOrNull(output) is not null)
            throw new TransferException(
                $"The data has a column '{output}' already, so two steps would write it. Give these features a "
                    + "name of their own."
            );
        IHostEnvironment? environment = EnvironmentOfCatalog.Of(transforms);
        Backbone backbone = new BackboneStore(
            BackboneCatalog.Default,
            Path.Combine(options.CacheFolder, "backbones")
        ).Open(ids, options.Cancellation);
        return ImageFeaturizingTransformer.Make(
            output,
            images,
            backbone,
            taps,
            options,
            EnvironmentOfCatalog.Plan(environment, options.Workers),
            Samples.First(input, images)
        );
    }

    /// <inheritdoc/>
    /// <exception cref="TransferException">The column is missing or holds no images.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        _ = ItemColumn.Of(inputSchema, input, ofTexts);
        SchemaDefinition features = SchemaDefinition.Create(typeof(FeatureRow));
        features[nameof(FeatureRow.Features)].ColumnName = output;
        features[output].ColumnType = new VectorDataViewType(NumberDataViewType.Single, taps.Sum(t => t.Width));
        return transforms
            .CustomMapping<NoRow, FeatureRow>((_, _) => { }, null, SchemaDefinition.Create(typeof(NoRow)), features)
            .GetOutputSchema(inputSchema);
    }

    /// <summary>
    /// Only an estimator of ML.NET's own can say which columns it adds, so one that adds a column of the same form is
    /// asked.
    /// </summary>
    private sealed class FeatureRow
    {
        public VBuffer<float> Features { get; set; }
    }

    private sealed class NoRow;
}

/// <summary>
/// Computes features of images: rows in order, in parallel, only where the features are read, each image once where the
/// cache is on. Thread-safe.
/// </summary>
public sealed class ImageFeaturizingTransformer : ItemRowTransformer
{
    private readonly string output;
    private readonly Backbone backbone;
    private readonly IReadOnlyList<BackboneTap> taps;

    private ImageFeaturizingTransformer(
        string output,
        ItemColumn images,
        ItemRowScorer scorer,
        Backbone backbone,
        IReadOnlyList<BackboneTap> taps,
        IReadOnlyList<DataItem> sample
    )
        : base(images, scorer, [RowOutput.Vector(output, SlotNames(taps))], sample) =>
        (this.output, this.backbone, this.taps) = (output, backbone, taps);

    /// <summary>Name of the column of features.</summary>
    public string OutputColumnName => output;

    /// <summary>Features per image.</summary>
    public int Width => Scorer.Width;

    internal static ImageFeaturizingTransformer Make(
        string output,
        ItemColumn images,
        Backbone backbone,
        IReadOnlyList<BackboneTap> taps,
        ImageFeaturizingOptions options,
        ExecutionPlan plan,
        IReadOnlyList<DataItem> sample
    )
    {
        string[] tensors = [.. taps.Select(t => t.Tensor)];
        (byte[] onnx, ItemGraph graph) = FeatureGraph.Open(
            backbone.LoadModel(),
            tensors,
            backbone.Card.Encoder,
            options.Limits,
            plan
        );
        FeatureSpace space = FeatureExtractor.SpaceOf(backbone, tensors, plan);
        FeatureCache? cache = options.CacheFeatures
            ? new FeatureCache(Path.Combine(options.CacheFolder, "features"), space, graph.OutputWidth)
            : null;
        return new ImageFeaturizingTransformer(
            output,
            images,
            new ItemRowScorer(onnx, graph, cache),
            backbone,
            taps,
            sample
        )
        {
            OnRejected = options.OnRejected,
            Cancellation = options.Cancellation,
        };
    }

    internal override StockChain Stock() =>
        Images.Kind == ItemColumnKind.Text
            ? throw new TransferException(
                $"The features of texts in column '{output}' cannot be saved in a chain of ML.NET: none of its "
                    + $"transformers makes the tokens of '{backbone.Card.Id}'. Save the steps after it, and put it "
                    + "before them again; or train a model.onnx, which has all in it: mlnet-transfer train "
                    + "--text-column."
            )
            : StockChain.OfImages(
                Images,
                backbone.Card.Images,
                FeatureGraph.Build(backbone.LoadModel(), [.. taps.Select(t => t.Tensor)]),
                StockOutputs.Features(output, SlotNames(taps))
            );

    private static string[] SlotNames(IReadOnlyList<BackboneTap> taps) =>
        [
            .. taps.SelectMany(t =>
                Enumerable.Range(0, t.Width).Select(i => FormattableString.Invariant($"{t.Name}.{i}"))
            ),
        ];
}

/// <summary>Some images of a data set, kept to check what is saved on.</summary>
internal static class Samples
{
    private const int Most = 8;

    /// <summary>The first images of a column.</summary>
    public static IReadOnlyList<DataItem> First(IDataView data, ItemColumn images)
    {
        using DataViewRowCursor cursor = data.GetRowCursor([data.Schema[images.Name]]);
        Func<DataItem> image = images.Reader(cursor);
        var found = new List<DataItem>();
        while (found.Count < Most && cursor.MoveNext())
            found.Add(image());
        return found;
    }
}
