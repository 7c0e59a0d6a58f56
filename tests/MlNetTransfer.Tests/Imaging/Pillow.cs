using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Imaging;

/// <summary>
/// Runs Python scripts that use Debian's Pillow, the oracle of these tests. A test that needs it is inconclusive where
/// it is missing.
/// </summary>
internal static class Pillow
{
    /// <summary>Runs a script whose <c>folder</c> is a new empty folder, removed with the result.</summary>
    public static PillowFolder Run(string script)
    {
        Python.Require("PIL");
        PillowFolder folder = new();
        Python.Run($"folder = r'''{folder.Path}'''\n{script}");
        return folder;
    }
}
