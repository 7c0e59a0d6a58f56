namespace MlNetTransfer.Datasets;

/// <summary>
/// What operating systems leave behind in folders and archives; passed over without a line in the ledger.
/// </summary>
internal static class Leftovers
{
    public static bool Is(ReadOnlySpan<char> name) =>
        name[0] == '.'
        || name.Equals("Thumbs.db", StringComparison.OrdinalIgnoreCase)
        || name.Equals("desktop.ini", StringComparison.OrdinalIgnoreCase)
        || name is "__MACOSX";
}
