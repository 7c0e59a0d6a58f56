using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks.Setup;

/// <summary>Images and network that are in every checkout.</summary>
internal static class Drawings
{
    /// <summary>The folder of a class each.</summary>
    public static string Folder => Repository.At("data-samples/clipart");

    /// <summary>ImageNet's usual preprocessing to 224 x 224.</summary>
    public static Preprocessing Preprocessing { get; } =
        new()
        {
            Size = 224,
            Mean = new(0.485f, 0.456f, 0.406f),
            Std = new(0.229f, 0.224f, 0.225f),
        };

    /// <summary>All files, in an order that is always the same.</summary>
    public static string[] Files =>
        [.. Directory.EnumerateFiles(Folder, "*.png", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    /// <summary>Some of the files, spread over the classes.</summary>
    public static DataItem[] Items(int count)
    {
        string[] files = Files;
        return
        [
            .. Enumerable.Range(0, count).Select(i => files[i * files.Length / count]).Select(f => new DataItem(f, f)),
        ];
    }

    /// <summary>The default backbone.</summary>
    public static Backbone Backbone() => new BackboneStore(BackboneCatalog.Default).Open(BackboneCatalog.DefaultId);
}
