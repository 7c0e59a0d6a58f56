using System.Text.Json;

namespace MlNetTransfer.Datasets;

/// <summary>Reads the rows of a .jsonl or .ndjson file: one object per line with the fields path, label, group and split.</summary>
internal static class JsonLineRows
{
    /// <exception cref="TransferException">The file is missing, is no such list or exceeds the limits; the message has the line.</exception>
    public static IEnumerable<ListRow> Read(string file, DatasetOptions options)
    {
        using var text = new ListText(file, options.Lists);
        for (int line = 1; text.ReadLine(line) is { } row; line++)
        {
            if (!string.IsNullOrWhiteSpace(row)) yield return Parse(file, line, row, options.ExtraColumns);
        }
    }

    private static ListRow Parse(string file, int line, string row, ExtraColumns extra)
    {
        string?[] fields = new string?[4];
        try
        {
            using JsonDocument document = JsonDocument.Parse(row, new JsonDocumentOptions { MaxDepth = 16 });
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw Bad($"a JSON {document.RootElement.ValueKind.ToString().ToLowerInvariant()}, expected an object such as {{\"path\": \"cat/1.jpg\", \"label\": \"cat\"}}");
            var seen = new bool[4];
            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                int known = ListColumns.IndexOf(property.Name);
                if (known < 0 && extra == ExtraColumns.Ignore) continue;
                if (known < 0) throw Bad($"the unknown field '{property.Name}'. Known fields: {ListColumns.Known}. Found: {string.Join(", ", document.RootElement.EnumerateObject().Select(p => p.Name))}");
                if (seen[known]) throw Bad($"the field '{property.Name}' twice");
                seen[known] = true;
                fields[known] = Text(property);
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new TransferException($"'{file}', line {line}: not a JSON object on one line: {e.Message.ReplaceLineEndings(" ")}", e);
        }

        return new ListRow(line, fields[0] ?? throw Bad("no 'path'"), fields[1], fields[2], fields[3]);

        TransferException Bad(string found) => new($"'{file}', line {line}: {found}.");

        string? Text(JsonProperty property) => property.Value.ValueKind switch
        {
            JsonValueKind.String => property.Value.GetString(),
            JsonValueKind.Number => property.Value.GetRawText(),
            JsonValueKind.Null => null,
            _ => throw Bad($"field '{property.Name}' is {property.Value.ValueKind.ToString().ToLowerInvariant()}, expected a string or a number"),
        };
    }
}
