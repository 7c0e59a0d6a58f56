namespace MlNetTransfer.Datasets;

/// <summary>Which of a list's columns is which; names in any case, blanks around them do not count.</summary>
internal sealed class ListColumns
{
    public const string Known = "path, label, group, split";

    private static readonly string[] Names = Known.Split(", ");
    private readonly int[] index = [-1, -1, -1, -1];
    private readonly int count;

    /// <exception cref="TransferException">A column is unknown, twice or missing.</exception>
    public ListColumns(string source, string[] header, bool labelled, ExtraColumns extra)
    {
        count = header.Length;
        for (int i = 0; i < header.Length; i++)
        {
            int known = IndexOf(header[i]);
            if (known >= 0 && index[known] >= 0) throw new TransferException($"'{source}' has the column '{Names[known]}' twice. Remove one.");
            if (known >= 0) index[known] = i;
            else if (extra == ExtraColumns.Refuse) throw new TransferException($"'{source}' has the unknown column '{header[i]}'. Known columns: {Known}. Found: {string.Join(", ", header)}.{Hint(header)}");
        }

        for (int required = 0; required < (labelled ? 2 : 1); required++)
            if (index[required] < 0) throw new TransferException($"'{source}' has no column '{Names[required]}'. Found: {string.Join(", ", header)}. The first line must name the columns: path{(labelled ? ", label" : "")}, and where they apply group and split.{Hint(header)}");
    }

    /// <summary>Which of the known columns a name is, 0 to 3; -1 for none.</summary>
    public static int IndexOf(string name) => Array.FindIndex(Names, n => n.Equals(name.Trim(), StringComparison.OrdinalIgnoreCase));

    public ListRow Row(string source, long line, string[] fields)
    {
        if (fields.Length != count) throw new TransferException($"'{source}', line {line}: {fields.Length} field{(fields.Length == 1 ? "" : "s")}, expected {count} as in the header. Fields with commas, quotes or newlines must stand in double quotes.");
        return new ListRow(line, fields[index[0]], Field(1), Field(2), Field(3));

        string? Field(int column) => index[column] < 0 ? null : fields[index[column]];
    }

    private static string Hint(string[] header) => header is [var only] && only.AsSpan().IndexOfAny(';', '\t', '|') >= 0
        ? " The columns seem to be separated by something else: commas are expected in .csv files, tabs in .tsv files."
        : "";
}
