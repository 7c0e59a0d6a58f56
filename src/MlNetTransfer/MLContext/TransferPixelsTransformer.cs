using Microsoft.ML;
using Microsoft.ML.Data;

namespace MlNetTransfer;

/// <summary>Decodes and preprocesses images row by row. It cannot be saved in an ML.NET model; see <see cref="TransferPixelsCatalog"/>.</summary>
public sealed class TransferPixelsTransformer : ITransformer, IDisposable
{
    private readonly ITransformer mapping;
    private readonly PixelLoader images;

    internal TransferPixelsTransformer(ITransformer mapping, PixelLoader images) => (this.mapping, this.images) = (mapping, images);

    /// <inheritdoc/>
    public bool IsRowToRowMapper => true;

    /// <inheritdoc/>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => mapping.GetOutputSchema(inputSchema);

    /// <inheritdoc/>
    public IDataView Transform(IDataView input) => mapping.Transform(input);

    /// <inheritdoc/>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => mapping.GetRowToRowMapper(inputSchema);

    /// <summary>Releases the decoders' memory.</summary>
    public void Dispose() => images.Dispose();

    void ICanSaveModel.Save(ModelSaveContext ctx) =>
        throw new TransferException("LoadTransferPixels cannot be saved in an ML.NET model: ML.NET loads its own transformers only, and none of them decodes and resizes exactly like it. Save what follows it, e.g. model.LastTransformer, and call LoadTransferPixels again where the model is scored.");
}
