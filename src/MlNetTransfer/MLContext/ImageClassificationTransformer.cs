using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Training;

namespace MlNetTransfer;

/// <summary>What a training did.</summary>
public sealed record ImageClassificationTraining
{
    /// <summary>How much of the network was trained.</summary>
    public required TrainingStrategy Strategy { get; init; }

    /// <summary>The kind of head, as it was chosen or asked for.</summary>
    public required string Head { get; init; }

    /// <summary>Rows that were trained on.</summary>
    public required int Images { get; init; }

    /// <summary>The backbone's taps in use; empty where features were given.</summary>
    public IReadOnlyList<string> Taps { get; init; } = [];

    /// <summary>
    /// What was found for each tap, by cross-validation on the rows that were trained on; empty where there was no
    /// choice.
    /// </summary>
    public IReadOnlyList<TapTrial> TapTrials { get; init; } = [];

    /// <summary>What was found for each kind of head, likewise.</summary>
    public IReadOnlyList<HeadTrial> HeadTrials { get; init; } = [];

    /// <summary>Rows whose image could not be used, and why.</summary>
    public IReadOnlyList<RejectedImage> Rejected { get; init; } = [];

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Head} head, strategy {Strategy}, trained on {Images} "
        + $"images{(Taps.Count > 0 ? $" at {string.Join(", ", Taps)}" : "")}"
        + $"{(Rejected.Count > 0 ? $"; {Rejected.Count} could not be used" : "")}";
}

/// <summary>
/// A trained image classifier. Saved, it is a chain of ML.NET's own transformers, behind a custom mapping that decodes
/// and resizes where it takes images.
/// </summary>
public sealed class ImageClassificationTransformer
    : ISingleFeaturePredictionTransformer<ImageClassificationTraining>,
        IDisposable
{
    private readonly ITransformer inner;

    internal ImageClassificationTransformer(
        ITransformer inner,
        string featureColumn,
        DataViewType featureType,
        ImageClassificationTraining training
    ) => (this.inner, FeatureColumnName, FeatureColumnType, Model) = (inner, featureColumn, featureType, training);

    /// <summary>Column of images or features that it reads.</summary>
    public string FeatureColumnName { get; }

    /// <summary>Type of that column.</summary>
    public DataViewType FeatureColumnType { get; }

    /// <summary>What the training did.</summary>
    public ImageClassificationTraining Model { get; }

    /// <inheritdoc/>
    public bool IsRowToRowMapper => inner.IsRowToRowMapper;

    /// <summary>The classifier of images; null where it takes features.</summary>
    internal ClassifierRows? OfImages => inner as ClassifierRows;

    /// <inheritdoc/>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => inner.GetOutputSchema(inputSchema);

    /// <inheritdoc/>
    public IDataView Transform(IDataView input) => inner.Transform(input);

    /// <inheritdoc/>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => inner.GetRowToRowMapper(inputSchema);

    /// <summary>Releases ONNX Runtime's session.</summary>
    public void Dispose() => (inner as IDisposable)?.Dispose();

    void ICanSaveModel.Save(ModelSaveContext ctx) => inner.Save(ctx);
}

/// <summary>Classifies images: in parallel over data, row by row for a prediction engine.</summary>
internal sealed class ClassifierRows : ImageRowTransformer
{
    private readonly StockOutputs stock;

    public ClassifierRows(
        ImageColumn images,
        ImageRowScorer scorer,
        IReadOnlyList<RowOutput> outputs,
        IReadOnlyList<ImageItem> sample,
        byte[] onnx,
        Preprocessing preprocessing,
        StockOutputs stock
    )
        : base(images, scorer, outputs, sample) => (Onnx, Preprocessing, this.stock) = (onnx, preprocessing, stock);

    /// <summary>This library's own model file.</summary>
    public byte[] Onnx { get; }

    public Preprocessing Preprocessing { get; }

    internal override StockChain Stock() => StockChain.OfImages(Images, Preprocessing, OnnxModel.Parse(Onnx), stock);

    /// <summary>ML.NET's own transformers alone, over MLImages of the backbone's size.</summary>
    public StockChain StockOfDecoded(string column) =>
        StockChain.OfDecoded(column, Preprocessing, OnnxModel.Parse(Onnx), stock);
}
