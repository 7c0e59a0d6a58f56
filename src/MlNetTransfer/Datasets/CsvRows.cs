using CsvHelper;

namespace MlNetTransfer.Datasets;

/// <summary>Reads the rows of a .csv (RFC 4180) or .tsv file whose first line names the columns.</summary>
internal static class CsvRows
{
    /// <exception cref="TransferException">The file is missing, is no such list or exceeds the limits; the message has the line.</exception>
    public static IEnumerable<ListRow> Read(string file, char separator, bool labelled, DatasetOptions options)
    {
        using var text = new ListText(file, options.Lists);
        using CsvReader csv = CsvReader.Create(text, Options(separator, options.Lists), leaveOpen: true);
        ListColumns? columns = null;
        while (Next(file, csv))
        {
            string[] fields = [.. Enumerable.Range(0, csv.FieldCount).Select(csv.GetString)];
            text.CheckRow(csv.LineNumber, fields.Sum(f => f.Length + 1L) - 1);
            if (columns is null) columns = new ListColumns(file, fields, labelled, options.ExtraColumns);
            else yield return columns.Row(file, csv.LineNumber, fields);
        }

        if (columns is null) throw new TransferException($"'{file}' is empty. The first line must name the columns: {ListColumns.Known}.");
    }

    private static CsvReaderOptions Options(char separator, ListLimits limits) => new()
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

    private static bool Next(string file, CsvReader csv)
    {
        try
        {
            return csv.Read();
        }
        catch (CsvFormatException e)
        {
            throw new TransferException($"'{file}', line {e.LineNumber}: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}. Fields with commas, quotes or newlines must stand in double quotes, with their quotes doubled; is a closing quote missing? At most {nameof(ListLimits.MaxRowLength)} characters make a row.", e);
        }
    }
}
