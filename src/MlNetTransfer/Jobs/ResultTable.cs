using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Jobs;

/// <summary>
/// Writes tables for other programs, whole or not at all: as JSON lines where the name ends in .jsonl, else as CSV (RFC
/// 4180, lines ended by a line feed). Numbers are written by the invariant culture.
/// </summary>
internal static class ResultTable
{
    private static readonly JsonSerializerOptions Json = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <param name="path">The file.</param>
    /// <param name="columns">Names of the columns.</param>
    /// <param name="rows">A value per column; null is empty in CSV.</param>
    public static void Write(string path, IReadOnlyList<string> columns, IEnumerable<IEnumerable<object?>> rows) =>
        AtomicFile.Write(
            path,
            stream =>
            {
                using var writer = new StreamWriter(stream, new UTF8Encoding(false), 1 << 16, leaveOpen: true);
                if (Path.GetExtension(path).Equals(".jsonl", StringComparison.OrdinalIgnoreCase))
                    JsonLines(writer, columns, rows);
                else
                    Csv(writer, columns, rows);
            }
        );

    private static void Csv(StreamWriter writer, IReadOnlyList<string> columns, IEnumerable<IEnumerable<object?>> rows)
    {
        writer.Write(string.Join(',', columns.Select(Field)) + "\n");
        foreach (IEnumerable<object?> row in rows)
            writer.Write(string.Join(',', row.Select(Field)) + "\n");
    }

    private static void JsonLines(
        StreamWriter writer,
        IReadOnlyList<string> columns,
        IEnumerable<IEnumerable<object?>> rows
    )
    {
        foreach (IEnumerable<object?> row in rows)
            writer.Write(
                JsonSerializer.Serialize(columns.Zip(row).ToDictionary(c => c.First, c => c.Second), Json) + "\n"
            );
    }

    /// <summary>A value as a field of CSV.</summary>
    public static string Field(object? value) => Quoted(Written(value));

    private static string Written(object? value) =>
        value switch
        {
            null => "",
            bool flag => flag ? "true" : "false",
            _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        };

    private static string Quoted(string text) =>
        text.AsSpan().IndexOfAny(",\"\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
