using System.Text;
using System.Text.Json;
using CsvHelper;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Datasets;

/// <summary>
/// The text of a list: UTF-8, or UTF-16 with a byte order mark. What is wrong with the file comes out as an error that
/// names it.
/// </summary>
internal sealed class ListText : TextReader
{
    private readonly string source;
    private readonly int maxRowLength;
    private readonly StreamReader inner;

    /// <exception cref="TransferException">The file is missing or cannot be read.</exception>
    public ListText(string source, ListLimits limits)
    {
        (this.source, maxRowLength) = (source, limits.MaxRowLength);
        inner = Guarded(() =>
            new StreamReader(RegularFile.OpenRead(source), new UTF8Encoding(false, throwOnInvalidBytes: true))
        );
    }

    public override int Peek() => Guarded(inner.Peek);

    public override int Read() => Guarded(inner.Read);

    public override int Read(char[] buffer, int index, int count) => Guarded(() => inner.Read(buffer, index, count));

    /// <summary>
    /// The next line, without its end; null where there is none. A line that never ends does not fill the memory.
    /// </summary>
    /// <param name="line">The line's number, for the error.</param>
    public string? ReadLine(int line)
    {
        if (Peek() < 0)
            return null;
        var text = new StringBuilder();
        for (int c = Read(); c is not (-1 or '\n'); c = Read())
        {
            text.Append((char)c);
            CheckRow(line, text.Length);
        }

        return text.ToString();
    }

    /// <exception cref="TransferException">The row is too long.</exception>
    public void CheckRow(long line, long length)
    {
        if (length > maxRowLength)
            throw new TransferException(
                $"'{source}', line {line}: a row of more than {maxRowLength} characters, the most allowed. Is a "
                    + $"closing quote missing? Otherwise shorten the row (in C#, raise "
                    + $"{nameof(ListLimits.MaxRowLength)})."
            );
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            inner.Dispose();
        base.Dispose(disposing);
    }

    private T Guarded<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (DecoderFallbackException e)
        {
            throw new TransferException(
                $"'{source}' is not UTF-8 text"
                    + (e.BytesUnknown is [var first, ..] ? $": it has the byte 0x{first:X2} where UTF-8 has none" : "")
                    + $". Save it as UTF-8.",
                e
            );
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new TransferException($"'{source}' does not exist. Check the path.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"'{source}' cannot be read: {e.Message.TrimEnd('.')}. Check its permissions and the disk.",
                e
            );
        }
    }
}

/// <summary>Reads the rows of a .csv (RFC 4180) or .tsv file whose first line names the columns.</summary>
/// <remarks>
/// Spreadsheets write semicolons into .csv files where the decimal sign is a comma: the separator is what gives the
/// first line a path column.
/// </remarks>
internal static class CsvRows
{
    private static readonly char[] Separators = [',', ';', '\t'];

    /// <param name="file">The list.</param>
    /// <param name="separator">The separator; null to find it.</param>
    /// <param name="labelled">Whether labels, groups and splits count.</param>
    /// <param name="options">How to read.</param>
    /// <exception cref="TransferException">The file is missing, is no such list or exceeds the limits; the message has
    /// the line.</exception>
    public static IEnumerable<ListRow> Read(string file, char? separator, bool labelled, DatasetOptions options)
    {
        ListColumns? columns = null;
        foreach ((long line, string[] fields) in Records(file, separator ?? SeparatorOf(file, options), options.Lists))
        {
            if (columns is not null)
            {
                yield return columns.Row(line, fields);
                continue;
            }

            columns = new ListColumns($"'{file}', line {line}", "column", fields, labelled, options);
            if (labelled)
                columns.RequireLabel();
        }

        if (columns is null)
            throw new TransferException(
                $"'{file}' is empty. The first line must name the columns: {ListColumns.Known}."
            );
    }

    /// <summary>All rows of a file, the names of the columns first; each has as many fields.</summary>
    /// <param name="file">The file.</param>
    /// <param name="separator">The separator; null for the one by which the first line has most columns.</param>
    /// <param name="limits">What it may cost.</param>
    /// <exception cref="TransferException">The file is missing, is no such file or exceeds the limits; the message has
    /// the line.</exception>
    public static IEnumerable<(long Line, string[] Fields)> Records(string file, char? separator, ListLimits limits)
    {
        char between = separator ?? MostColumns(FirstLine(file, limits));
        using var text = new ListText(file, limits);
        using CsvReader csv = CsvReader.Create(text, Options(between, limits), leaveOpen: true);
        int? count = null;
        while (Next(file, csv, between))
        {
            string[] fields = [.. Enumerable.Range(0, csv.FieldCount).Select(csv.GetString)];
            text.CheckRow(csv.LineNumber, fields.Sum(f => f.Length + 1L) - 1);
            if (fields.Length != (count ??= fields.Length))
                throw Ragged(file, csv.LineNumber, fields, count.Value, between);
            yield return (csv.LineNumber, fields);
        }
    }

    private static TransferException Ragged(string file, long line, string[] fields, int expected, char separator) =>
        new(
            $"'{file}', line {line}: {fields.Length} field{(fields.Length == 1 ? "" : "s")}, expected {expected} as "
                + $"in the header; the last is '{fields[^1]}'. "
                + $"Fields with {NameOf(separator)}, quotes or newlines must stand in double quotes."
        );

    /// <summary>
    /// The first separator by which the first line has a path; where none has, the one by which it has most columns.
    /// </summary>
    private static char SeparatorOf(string file, DatasetOptions options)
    {
        string first = FirstLine(file, options.Lists);
        int found = Array.FindIndex(
            Separators,
            s => ListColumns.HasPath(first.Split(s).Select(name => name.Trim().Trim('"')), options)
        );
        return found >= 0 ? Separators[found] : MostColumns(first);
    }

    private static char MostColumns(string first) => Separators.MaxBy(s => first.Count(c => c == s));

    /// <summary>The first line that has something; empty where there is none.</summary>
    private static string FirstLine(string file, ListLimits limits)
    {
        using var text = new ListText(file, limits);
        string? first = text.ReadLine(1);
        for (int line = 2; first is not null && string.IsNullOrWhiteSpace(first); line++)
            first = text.ReadLine(line);
        return first ?? "";
    }

    private static string NameOf(char separator) =>
        separator switch
        {
            ';' => "semicolons",
            '\t' => "tabs",
            _ => "commas",
        };

    private static CsvReaderOptions Options(char separator, ListLimits limits) =>
        new()
        {
            Separator = separator,
            HasHeader = false,
            TrackLineNumbers = true,
            MalformedData = CsvMalformedDataHandling.Throw,
            IncludeValuesInExceptions = false,
            // Bytes; a UTF-16 character takes at most three in UTF-8. The exact limit is checked on the row itself.
            MaxRecordSize = (int)Math.Min(3L * limits.MaxRowLength, int.MaxValue),
            BufferSize = 1 << 14,
        };

    private static bool Next(string file, CsvReader csv, char separator)
    {
        try
        {
            return csv.Read();
        }
        catch (CsvFormatException e)
        {
            throw new TransferException(
                $"'{file}', line {e.LineNumber}: {Reason(e)}. Fields with "
                    + $"{NameOf(separator)}, quotes or newlines must stand "
                    + $"in double quotes, with their quotes doubled; is a closing quote missing?",
                e
            );
        }
    }

    /// <summary>The reader's words, its own settings left out.</summary>
    private static string Reason(CsvFormatException e) =>
        e.Message.Contains(nameof(CsvReaderOptions.MaxRecordSize), StringComparison.Ordinal)
            ? $"a row of more characters than are allowed (in C#, {nameof(ListLimits.MaxRowLength)})"
            : e.Message.ReplaceLineEndings(" ").TrimEnd('.');
}

/// <summary>
/// Reads the rows of a .jsonl or .ndjson file: one object per line with the fields path, label, group and split.
/// </summary>
internal static class JsonLineRows
{
    /// <param name="file">The list.</param>
    /// <param name="labelled">Whether labels, groups and splits count.</param>
    /// <param name="options">How to read.</param>
    /// <param name="whole">Whether all fields are wanted, not only those that count.</param>
    /// <exception cref="TransferException">The file is missing, is no such list or exceeds the limits; the message has
    /// the line.</exception>
    public static IEnumerable<ListRow> Read(string file, bool labelled, DatasetOptions options, bool whole = false)
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
                if (whole || columns.Uses(i))
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
