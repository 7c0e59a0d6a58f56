using CsvHelper;

namespace MlNetTransfer.Datasets;

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
        char between = separator ?? SeparatorOf(file, options);
        using var text = new ListText(file, options.Lists);
        using CsvReader csv = CsvReader.Create(text, Options(between, options.Lists), leaveOpen: true);
        ListColumns? columns = null;
        int count = 0;
        while (Next(file, csv, between))
        {
            string[] fields = [.. Enumerable.Range(0, csv.FieldCount).Select(csv.GetString)];
            text.CheckRow(csv.LineNumber, fields.Sum(f => f.Length + 1L) - 1);
            if (columns is null)
            {
                (columns, count) = (
                    new ListColumns($"'{file}', line {csv.LineNumber}", "column", fields, labelled, options),
                    fields.Length
                );
                if (labelled)
                    columns.RequireLabel();
            }
            else if (fields.Length == count)
                yield return columns.Row(csv.LineNumber, fields);
            else
                throw Ragged(file, csv.LineNumber, fields, count, between);
        }

        if (columns is null)
            throw new TransferException(
                $"'{file}' is empty. The first line must name the columns: {ListColumns.Known}."
            );
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
        using var text = new ListText(file, options.Lists);
        string? first = text.ReadLine(1);
        for (int line = 2; first is not null && string.IsNullOrWhiteSpace(first); line++)
            first = text.ReadLine(line);
        int found = Array.FindIndex(
            Separators,
            s => ListColumns.HasPath((first ?? "").Split(s).Select(name => name.Trim().Trim('"')), options)
        );
        return found >= 0 ? Separators[found] : Separators.MaxBy(s => (first ?? "").Count(c => c == s));
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
                $"'{file}', line {e.LineNumber}: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}. Fields with "
                    + $"{NameOf(separator)}, quotes or newlines must stand "
                    + $"in double quotes, with their quotes doubled; is a closing quote missing? At most "
                    + $"{nameof(ListLimits.MaxRowLength)} characters make a row.",
                e
            );
        }
    }
}
