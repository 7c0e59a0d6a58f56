using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;
using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;

namespace MlNetTransfer;

/// <summary>Turns image files, or their bytes, into a backbone's input tensor. Needs no training.</summary>
public sealed class TransferPixelsEstimator : IEstimator<TransferPixelsTransformer>
{
    private readonly TransformsCatalog transforms;
    private readonly string output;
    private readonly string input;
    private readonly string folder;
    private readonly Preprocessing preprocessing;

    internal TransferPixelsEstimator(TransformsCatalog transforms, string outputColumnName, string inputColumnName, string backbone, string? imageFolder)
    {
        ArgumentNullException.ThrowIfNull(transforms);
        ArgumentException.ThrowIfNullOrWhiteSpace(outputColumnName);
        ArgumentException.ThrowIfNullOrWhiteSpace(inputColumnName);
        (this.transforms, output, input, folder) = (transforms, outputColumnName, inputColumnName, imageFolder ?? "");
        preprocessing = BackboneCatalog.Default.Get(backbone).Preprocessing;
    }

    /// <inheritdoc/>
    /// <exception cref="TransferException">The input column is missing or holds neither paths nor bytes.</exception>
    public TransferPixelsTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        DataViewType? type = input.Schema.GetColumnOrNull(this.input)?.Type;
        var images = new PixelLoader(preprocessing, folder, this.input);
        ITransformer mapping = type is TextDataViewType ? Paths(images).Fit(input)
            : type is VectorDataViewType { ItemType: var item } && item == NumberDataViewType.Byte ? Bytes(images).Fit(input)
            : throw Wrong(type?.ToString());
        return new TransferPixelsTransformer(mapping, images);
    }

    /// <inheritdoc/>
    /// <exception cref="TransferException">The input column is missing or holds neither paths nor bytes.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        SchemaShape.Column column = inputSchema.FirstOrDefault(c => c.Name == input);
        using var images = new PixelLoader(preprocessing, folder, input);
        return column is { Kind: SchemaShape.Column.VectorKind.Scalar, ItemType: TextDataViewType } ? Paths(images).GetOutputSchema(inputSchema)
            : column.Name is not null && column.Kind != SchemaShape.Column.VectorKind.Scalar && column.ItemType == NumberDataViewType.Byte ? Bytes(images).GetOutputSchema(inputSchema)
            : throw Wrong(column.Name is null ? null : $"{column.Kind} of {column.ItemType}");
    }

    private CustomMappingEstimator<PathRow, TensorRow> Paths(PixelLoader images) =>
        transforms.CustomMapping<PathRow, TensorRow>(images.Load, null, Named(typeof(PathRow), nameof(PathRow.Path), input), Tensor());

    private CustomMappingEstimator<BytesRow, TensorRow> Bytes(PixelLoader images) =>
        transforms.CustomMapping<BytesRow, TensorRow>(images.Load, null, Named(typeof(BytesRow), nameof(BytesRow.Bytes), input), Tensor());

    private SchemaDefinition Tensor()
    {
        SchemaDefinition schema = Named(typeof(TensorRow), nameof(TensorRow.Tensor), output);
        schema[output].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, preprocessing.Size, preprocessing.Size);
        return schema;
    }

    private static SchemaDefinition Named(Type row, string member, string column)
    {
        SchemaDefinition schema = SchemaDefinition.Create(row);
        schema[member].ColumnName = column;
        return schema;
    }

    private TransferException Wrong(string? found) =>
        new($"Column '{input}' is {found ?? "missing"}; text (paths of images) or a vector of bytes (encoded images, as LoadRawImageBytes gives) was expected. Name another column in LoadTransferPixels.");
}
