using MlNetTransfer.Datasets;

namespace MlNetTransfer.Benchmarks;

/// <summary>The ten-class task on Debian's openclipart-png: drawings sorted into folders by hand, 50 to 112 a class.</summary>
internal static class OpenClipart
{
    private static readonly (string Class, string Folder)[] Classes =
    [
        ("bug", "animals/bugs"), ("computer", "computer/hardware"), ("dessert", "food/desserts"), ("fruit", "food/fruit"), ("mammal", "animals/mammals"),
        ("music", "recreation/music"), ("party", "recreation/party"), ("sport", "recreation/sports"), ("tool", "tools"), ("vehicle", "transportation/vehicles"),
    ];

    public static ImageDataset Read() => PackagedFolders.Read("/usr/share/openclipart/png", "openclipart-png", SearchOption.TopDirectoryOnly, Classes);
}
