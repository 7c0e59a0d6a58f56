using System.Text.Json;

namespace MlNetTransfer.Datasets;

/// <summary>
/// Reads the rows of a .jsonl or .ndjson file: one object per line with the fields path, label, group and split.
/// </summary>
internal static class JsonLineRows
{
    /// <param name="file">The list.</param>
    /// <param name="labelled">Whether labels, groups and splits count.</param>
    /// <param name="options">How to read.</param>
    /// <exception cref="TransferException">The file is missing, is no such list or exceeds the limits; the message has
    /// the line.</exception>
    public static IEnumerable<ListRow> Read(string file, bool labelled, DatasetOptions options)
    {
        using var text = new ListText(file, options.Lists);
        ListColumns? columns = null;
        for (int line = 1; text.ReadLine(line) is { } row; line++)
        {
            if (string.IsNullOrWhiteSpace(row))
                continue;
            using JsonDocument document = Parse(file, line, row);
            JsonProperty[] properties = [.. document.RootElement.EnumerateObject()];
            string[] names = Guarded(file, line, () => Array.ConvertAll(properties, p => p.Name));
            if (columns is null || !columns.Fits(names))
                columns = new ListColumns($"'{file}', line {line}", "field", names, labelled, options);
            var fields = new string?[properties.Length];
            for (int i = 0; i < fields.Length; i++)
                if (columns.Uses(i))
                    fields[i] = Guarded(file, line, () => Text(file, line, properties[i]));
            yield return columns.Row(line, fields);
        }
    }

    private static JsonDocument Parse(string file, int line, string row)
    {
        JsonDocument document = Guarded(
            file,
            line,
            () => JsonDocument.Parse(row, new JsonDocumentOptions { MaxDepth = 16 })
        );
        if (document.RootElement.ValueKind == JsonValueKind.Object)
            return document;
        string kind = document.RootElement.ValueKind.ToString().ToLowerInvariant();
        document.Dispose();
        throw new TransferException(
            $"'{file}', line {line}: a JSON {kind}, expected an object such as {{\"path\": \"cat/1.jpg\", "
                + $"\"label\": \"cat\"}}."
        );
    }

    private static string? Text(string file, int line, JsonProperty property) =>
        property.Value.ValueKind switch
        {
            JsonValueKind.String => property.Value.GetString(),
            JsonValueKind.Number => property.Value.GetRawText(),
            JsonValueKind.Null => null,
            JsonValueKind kind => throw new TransferException(
                $"'{file}', line {line}: field '{property.Name}' is {kind.ToString().ToLowerInvariant()}, expected "
                    + $"a string or a number."
            ),
        };

    /// <summary>Text with half a surrogate pair comes to light only when it is read.</summary>
    private static T Guarded<T>(string file, int line, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new TransferException(
                $"'{file}', line {line}: not a JSON object on one line: {e.Message.ReplaceLineEndings(" ")}",
                e
            );
        }
    }
}
