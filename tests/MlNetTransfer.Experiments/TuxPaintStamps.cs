using MlNetTransfer.Datasets;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// The eight-class task on Debian's tuxpaint-stamps-default: photographs and drawings, by the top folder they are
/// sorted into.
/// </summary>
internal static class TuxPaintStamps
{
    private static readonly string[] Classes =
    [
        "animals",
        "clothes",
        "food",
        "household",
        "plants",
        "symbols",
        "town",
        "vehicles",
    ];

    public static Dataset Read() =>
        PackagedFolders.Read(
            "/usr/share/tuxpaint/stamps",
            "tuxpaint-stamps-default",
            SearchOption.AllDirectories,
            [.. Classes.Select(c => (c, c))]
        );
}
