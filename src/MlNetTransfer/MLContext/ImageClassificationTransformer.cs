using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;

namespace MlNetTransfer;

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
internal sealed class ClassifierRows : ItemRowTransformer
{
    private readonly StockOutputs stock;

    public ClassifierRows(
        ItemColumn images,
        ItemRowScorer scorer,
        IReadOnlyList<RowOutput> outputs,
        IReadOnlyList<DataItem> sample,
        byte[] onnx,
        Preprocessing preprocessing,
        StockOutputs stock
    )
        : base(images, scorer, outputs, sample) => (Onnx, Preprocessing, this.stock) = (onnx, preprocessing, stock);

    /// <summary>This library's own model file.</summary>
    public byte[] Onnx { get; }

    public Preprocessing Preprocessing { get; }

    /// <summary>What it says beside its scores; null for nothing.</summary>
    public SaidColumns? Said { get; init; }

    internal override StockChain Stock() => StockChain.OfImages(Images, Preprocessing, OnnxModel.Parse(Onnx), stock);

    /// <summary>ML.NET's own transformers alone, over MLImages of the backbone's size.</summary>
    public StockChain StockOfDecoded(string column) =>
        StockChain.OfDecoded(column, Preprocessing, OnnxModel.Parse(Onnx), stock);
}
