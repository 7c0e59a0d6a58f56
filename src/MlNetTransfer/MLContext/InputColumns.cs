using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Imaging;

namespace MlNetTransfer;

/// <summary>Finds the columns that training reads, and says what is wrong with them.</summary>
internal static class InputColumns
{
    /// <summary>What can be known before there is data: presence and kind of type.</summary>
    public static void Check(SchemaShape schema, string features, string label)
    {
        SchemaShape.Column pixels = Find(schema, features);
        if (pixels.Kind != SchemaShape.Column.VectorKind.Vector || pixels.ItemType != NumberDataViewType.Single || pixels.IsKey)
            throw WrongFeatures(features, $"{pixels.Kind} of {pixels.ItemType}");
        SchemaShape.Column classes = Find(schema, label);
        if (!classes.IsKey || classes.Kind != SchemaShape.Column.VectorKind.Scalar) throw WrongLabel(label, $"{classes.Kind} of {classes.ItemType}");
    }

    /// <summary>The column with the preprocessed images.</summary>
    public static DataViewSchema.Column Features(DataViewSchema schema, string name, Preprocessing preprocessing, string backbone)
    {
        DataViewSchema.Column column = Find(schema, name);
        if (column.Type is not VectorDataViewType { IsKnownSize: true } vector || vector.ItemType != NumberDataViewType.Single) throw WrongFeatures(name, $"{column.Type}");
        int size = preprocessing.Size;
        if (vector.Size != preprocessing.TensorLength || (vector.Dimensions.Length >= 3 && !vector.Dimensions[^3..].SequenceEqual([3, size, size])))
            throw new TransferException($"Column '{name}' is {vector}; backbone '{backbone}' takes [3, {size}, {size}] (channel, row, column), {preprocessing.TensorLength} numbers. Make it with LoadTransferPixels for that backbone.");
        return column;
    }

    /// <summary>The column with the classes.</summary>
    public static DataViewSchema.Column Label(DataViewSchema schema, string name)
    {
        DataViewSchema.Column column = Find(schema, name);
        return column.Type is KeyDataViewType ? column : throw WrongLabel(name, $"{column.Type}");
    }

    private static SchemaShape.Column Find(SchemaShape schema, string name) =>
        schema.FirstOrDefault(c => c.Name == name) is { Name: not null } found ? found : throw Missing(name, schema.Select(c => c.Name));

    private static DataViewSchema.Column Find(DataViewSchema schema, string name) =>
        schema.GetColumnOrNull(name) ?? throw Missing(name, schema.Where(c => !c.IsHidden).Select(c => c.Name));

    private static TransferException Missing(string name, IEnumerable<string> there) =>
        new($"There is no column '{name}'; the data has {string.Join(", ", there)}. Name the column in the options, or make it earlier in the pipeline.");

    private static TransferException WrongFeatures(string name, string found) =>
        new($"Column '{name}' is {found}; a vector of Single of known size was expected: images after the backbone's preprocessing. Make it from paths or encoded images with mlContext.Transforms.LoadTransferPixels.");

    private static TransferException WrongLabel(string name, string found) =>
        new($"Label column '{name}' is {found}; a key was expected. Append mlContext.Transforms.Conversion.MapValueToKey(\"{name}\") before the trainer.");
}
