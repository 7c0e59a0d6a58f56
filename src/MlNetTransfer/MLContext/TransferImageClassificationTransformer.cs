using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Jobs;

namespace MlNetTransfer;

/// <summary>A trained image classifier. Made of ML.NET's own transformers; Save writes those, so that what is loaded again needs no assembly of this library.</summary>
public sealed class TransferImageClassificationTransformer : ITransformer, IDisposable
{
    private readonly ITransformer stock;

    internal TransferImageClassificationTransformer(ITransformer stock, TrainSummary summary) => (this.stock, Summary) = (stock, summary);

    /// <summary>What the training did and how well the model does on rows it was not trained on. <see cref="TrainSummary.Model"/> is empty without a <see cref="TransferImageClassificationOptions.WorkspacePath"/>.</summary>
    public TrainSummary Summary { get; }

    /// <inheritdoc/>
    public bool IsRowToRowMapper => stock.IsRowToRowMapper;

    /// <inheritdoc/>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => stock.GetOutputSchema(inputSchema);

    /// <inheritdoc/>
    public IDataView Transform(IDataView input) => stock.Transform(input);

    /// <inheritdoc/>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => stock.GetRowToRowMapper(inputSchema);

    /// <summary>Releases ONNX Runtime's session and its model file.</summary>
    public void Dispose() => (stock as IDisposable)?.Dispose();

    void ICanSaveModel.Save(ModelSaveContext ctx) => stock.Save(ctx);
}
