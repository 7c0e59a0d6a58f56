using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;

namespace MlNetTransfer.Tests.Shared;

/// <summary>
/// The ten-class task on Debian's openclipart-png: drawings sorted into folders by hand, 50 to 112 a class.
/// </summary>
internal static class OpenClipart
{
    private static readonly (string Class, string Folder)[] Classes =
    [
        ("bug", "animals/bugs"),
        ("computer", "computer/hardware"),
        ("dessert", "food/desserts"),
        ("fruit", "food/fruit"),
        ("mammal", "animals/mammals"),
        ("music", "recreation/music"),
        ("party", "recreation/party"),
        ("sport", "recreation/sports"),
        ("tool", "tools"),
        ("vehicle", "transportation/vehicles"),
    ];

    public static Dataset Read() =>
        PackagedFolders.Read("/usr/share/openclipart/png", "openclipart-png", SearchOption.TopDirectoryOnly, Classes);

    /// <summary>Features at a tap, from the cache where they are there; null for the default tap.</summary>
    public static FeatureTable Features(Dataset data, Backbone backbone, string? tap = null)
    {
        using var extractor = new FeatureExtractor(backbone, tap is null ? null : [tap]);
        ItemRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
        return new FeatureTable(
            data.ClassNames,
            [.. rows.Accepted.Select(i => data.Items[i].Label)],
            rows.Values,
            rows.Width
        );
    }
}
