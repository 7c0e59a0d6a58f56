using System.Globalization;
using System.Text;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Pipelines;

/// <summary>Some rows of a view, to be looked at.</summary>
public sealed class DataPreview
{
    private DataPreview(Schema schema, IReadOnlyList<IReadOnlyList<object?>> rows) => (Schema, Rows) = (schema, rows);

    /// <summary>The columns.</summary>
    public Schema Schema { get; }

    /// <summary>The rows [rows][columns]: a string, byte[], Func&lt;Stream&gt;, <see cref="ImageItem"/>, float, float[], or of a key the class's name.</summary>
    public IReadOnlyList<IReadOnlyList<object?>> Rows { get; }

    internal static DataPreview Of(IDataView data, int count, CancellationToken cancellation)
    {
        var rows = new List<IReadOnlyList<object?>>();
        foreach (DataBatch batch in data.Take(count).Read(null, cancellation))
            for (int i = 0; i < batch.Rows; i++) rows.Add([.. data.Schema.Select(column => Value(batch, column, i))]);
        return new DataPreview(data.Schema, rows);
    }

    /// <summary>The schema and the rows as a table.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        string[][] cells = [[.. Schema.Select(c => $"{c.Name} ({c.Type})")], .. Rows.Select(row => row.Select(Cell).ToArray())];
        int[] widths = [.. Schema.Select((_, c) => cells.Max(row => row[c].Length))];
        foreach (string[] row in cells) text.AppendLine(string.Join("  ", row.Select((cell, c) => cell.PadRight(widths[c]))).TrimEnd());
        return text.ToString();
    }

    private static object? Value(DataBatch batch, Column column, int row) => column.Type.Kind switch
    {
        ColumnKind.Text => batch.Column<string?>(column.Name)[row],
        ColumnKind.Bytes => batch.Column<byte[]?>(column.Name)[row],
        ColumnKind.Stream => batch.Column<Func<Stream>?>(column.Name)[row],
        ColumnKind.Image => batch.Column<ImageItem?>(column.Name)[row],
        ColumnKind.Key => batch.Column<int>(column.Name)[row] is >= 0 and var key ? batch.TypeOf(column.Name).ClassNames![key] : null,
        ColumnKind.Number => batch.Column<float>(column.Name)[row],
        _ => batch.Column<float>(column.Name).Slice(row * column.Type.Width, column.Type.Width).ToArray(),
    };

    private static string Cell(object? value) => value switch
    {
        null => "null",
        byte[] bytes => $"{bytes.Length} bytes",
        Delegate => "stream",
        ImageItem { Location: PixelsLocation { Image: var image } } => $"{image.Width} x {image.Height} pixels",
        ImageItem item => item.Name,
        float[] vector => $"[{string.Join(", ", vector.Take(4).Select(v => v.ToString("g4", CultureInfo.InvariantCulture)))}{(vector.Length > 4 ? ", ..." : "")}]",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };
}
