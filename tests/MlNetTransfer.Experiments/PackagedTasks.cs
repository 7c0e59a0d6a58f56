using MlNetTransfer.Datasets;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>Tasks made of the drawings that Debian packages: openclipart-png and tuxpaint-stamps-default.</summary>
internal static class PackagedTasks
{
    private static readonly (string Class, string Folder)[] Signs =
    [
        ("aiga", "transportation/aiga-symbols"),
        ("roadsign", "transportation/roadsigns"),
        ("map", "signs_and_symbols/map_symbols"),
        ("arrow", "shapes/arrows"),
        ("stickman", "people/stickmen"),
        ("smiley", "people/smilies"),
        ("button", "computer/buttons"),
    ];

    private static readonly (string Class, string Folder)[] Things =
    [
        ("bird", "animals/birds"),
        ("drink", "food/beverages"),
        ("clothing", "people/clothing"),
        ("holiday", "recreation/holiday"),
        ("jigsaw", "shapes/jigsaw"),
        ("party", "recreation/party"),
    ];

    /// <summary>Name and images of each.</summary>
    public static IReadOnlyDictionary<string, Func<Dataset>> All { get; } =
        new Dictionary<string, Func<Dataset>>
        {
            ["things6"] = () => Packaged(Things),
            ["signs7"] = () => Packaged(Signs),
            ["stamps8"] = TuxPaintStamps.Read,
            ["clipart10"] = OpenClipart.Read,
        };

    private static Dataset Packaged((string, string)[] classes) =>
        PackagedFolders.Read("/usr/share/openclipart/png", "openclipart-png", SearchOption.TopDirectoryOnly, classes);
}
