using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Pipelines;

/// <summary>The columns of a class of yours: its public properties.</summary>
/// <typeparam name="T">The class.</typeparam>
internal static class RowType<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] T>
{
    private static readonly (PropertyInfo Property, string Column)[] Properties =
        [.. typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.GetIndexParameters().Length == 0 && p.GetCustomAttribute<NoColumnAttribute>() is null)
            .Select(p => (p, p.GetCustomAttribute<ColumnNameAttribute>()?.Name ?? p.Name))];

    /// <summary>The columns that rows of this class have.</summary>
    /// <exception cref="SchemaException">A property is of a type that no column has.</exception>
    public static Schema Schema() => new(Properties.Where(p => p.Property.CanRead).Select(p => new Column(p.Column, TypeOf(p.Property))));

    /// <summary>The values of a column for some rows.</summary>
    public static Array Fill(Column column, T[] rows)
    {
        PropertyInfo property = Array.Find(Properties, p => p.Column == column.Name).Property;
        switch (column.Type.Kind)
        {
            case ColumnKind.Text: return Array.ConvertAll(rows, row => (string?)property.GetValue(row));
            case ColumnKind.Bytes: return Array.ConvertAll(rows, row => (byte[]?)property.GetValue(row));
            case ColumnKind.Stream: return Array.ConvertAll(rows, row => (Func<Stream>?)property.GetValue(row));
            case ColumnKind.Image: return Array.ConvertAll(rows, row => property.GetValue(row) switch { RgbImage image => new ImageItem(new PixelsLocation(image), "pixels"), ImageItem item => item, _ => null });
            case ColumnKind.Number: return Array.ConvertAll(rows, row => Convert.ToSingle(property.GetValue(row), CultureInfo.InvariantCulture));
            default:
                int width = column.Type.Width;
                var values = new float[rows.Length * width];
                for (int i = 0; i < rows.Length; i++)
                {
                    var vector = (float[]?)property.GetValue(rows[i]);
                    if (vector?.Length != width) throw new TransferException($"Property '{property.Name}' of {typeof(T).Name} holds {(vector is null ? "null" : $"{vector.Length} numbers")}; {width} were expected, as its VectorType says.");
                    vector.CopyTo(values, i * width);
                }

                return values;
        }
    }

    /// <summary>The properties to fill from a view's columns.</summary>
    /// <exception cref="SchemaException">A property has no column, or one of another type.</exception>
    public static IReadOnlyList<(string Column, Action<T, DataBatch, int> Set)> Setters(Schema schema) =>
        [.. Properties.Where(p => p.Property.CanWrite).Select(p => (p.Column, Setter(p.Property, schema.Find(p.Column) ?? throw new SchemaException($"Property '{p.Property.Name}' of {typeof(T).Name} has no column '{p.Column}'; the columns are {schema}. Mark it [NoColumn], or name its column by [ColumnName]."))))];

    private static ColumnType TypeOf(PropertyInfo property)
    {
        Type type = property.PropertyType;
        if (type == typeof(string)) return ColumnType.Text;
        if (type == typeof(byte[])) return ColumnType.Bytes;
        if (type == typeof(Func<Stream>)) return ColumnType.Stream;
        if (type == typeof(RgbImage) || type == typeof(ImageItem)) return ColumnType.Image;
        if (type == typeof(float) || type == typeof(double) || type == typeof(int) || type == typeof(long)) return ColumnType.Number;
        if (type == typeof(float[]))
            return property.GetCustomAttribute<VectorTypeAttribute>() is { } vector ? ColumnType.Vector(vector.Dimensions) : throw new SchemaException($"Property '{property.Name}' of {typeof(T).Name} is float[] of unknown length. Mark it [VectorType(length)].");
        throw new SchemaException($"Property '{property.Name}' of {typeof(T).Name} is {type.Name}, which no column holds. Use string, byte[], Func<Stream>, RgbImage, float, double, int, long or float[], or mark it [NoColumn].");
    }

    private static Action<T, DataBatch, int> Setter(PropertyInfo property, Column column)
    {
        Type type = property.PropertyType;
        IReadOnlyList<string>? classes = column.Type.ClassNames;
        return (column.Type.Kind, type) switch
        {
            (ColumnKind.Text, _) when type == typeof(string) => (row, batch, i) => property.SetValue(row, batch.Column<string?>(column.Name)[i]),
            (ColumnKind.Key, _) when type == typeof(string) => (row, batch, i) => property.SetValue(row, batch.Column<int>(column.Name)[i] is >= 0 and var key ? classes![key] : null),
            (ColumnKind.Key, _) when type == typeof(int) => (row, batch, i) => property.SetValue(row, batch.Column<int>(column.Name)[i]),
            (ColumnKind.Number, _) when type == typeof(float) => (row, batch, i) => property.SetValue(row, batch.Column<float>(column.Name)[i]),
            (ColumnKind.Number, _) when type == typeof(double) => (row, batch, i) => property.SetValue(row, (double)batch.Column<float>(column.Name)[i]),
            (ColumnKind.Number, _) when type == typeof(int) => (row, batch, i) => property.SetValue(row, (int)batch.Column<float>(column.Name)[i]),
            (ColumnKind.Number, _) when type == typeof(long) => (row, batch, i) => property.SetValue(row, (long)batch.Column<float>(column.Name)[i]),
            (ColumnKind.Vector, _) when type == typeof(float[]) => (row, batch, i) => property.SetValue(row, batch.Column<float>(column.Name).Slice(i * column.Type.Width, column.Type.Width).ToArray()),
            (ColumnKind.Image, _) when type == typeof(ImageItem) => (row, batch, i) => property.SetValue(row, batch.Column<ImageItem?>(column.Name)[i]),
            (ColumnKind.Bytes, _) when type == typeof(byte[]) => (row, batch, i) => property.SetValue(row, batch.Column<byte[]?>(column.Name)[i]),
            (ColumnKind.Stream, _) when type == typeof(Func<Stream>) => (row, batch, i) => property.SetValue(row, batch.Column<Func<Stream>?>(column.Name)[i]),
            _ => throw new SchemaException($"Property '{property.Name}' of {typeof(T).Name} is {type.Name}; column '{column.Name}' is {column.Type}. A key goes into a string (its name) or an int, a vector into a float[]."),
        };
    }
}
