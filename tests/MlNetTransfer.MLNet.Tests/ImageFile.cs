using MlNetTransfer.Datasets;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.MLNet.Tests;

/// <summary>A labelled image file.</summary>
internal sealed class ImageFile
{
    public string Path { get; set; } = "";

    public string Class { get; set; } = "";

    /// <summary>The sample images, in the order of the library's own reader.</summary>
    public static ImageDataset Samples { get; } = ImageFolder.ReadClasses(Repository.At("data-samples/clipart"));

    /// <summary>The same as rows.</summary>
    public static ImageFile[] All { get; } = [.. Samples.Items.Select(i => new ImageFile { Path = ((FileLocation)i.Location).Path, Class = Samples.ClassNames[i.Label] })];

    /// <summary>The first images of some classes.</summary>
    public static ImageFile[] Few(int each, params string[] classes) => [.. classes.SelectMany(c => All.Where(f => f.Class == c).Take(each))];
}
