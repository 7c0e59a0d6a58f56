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

    public static ImageDataset Read(string root = "/usr/share/openclipart/png")
    {
        if (!Directory.Exists(root)) throw new TransferException($"'{root}' is missing: install Debian's package openclipart-png.");
        var items = Classes.SelectMany((c, label) => Directory.EnumerateFiles(Path.Combine(root, c.Folder), "*.png").Order(StringComparer.Ordinal).Select(f => new ImageItem(f, $"{c.Class}/{Path.GetFileName(f)}", label)));
        return new ImageDataset(root, [.. Classes.Select(c => c.Class)], [.. items], []);
    }
}
