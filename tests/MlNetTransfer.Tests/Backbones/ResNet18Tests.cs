using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Tests.Backbones;

/// <summary>
/// The default backbone. Oracle: ML.NET's own DnnFeaturizeImage, which runs the package's two graphs as they are, on
/// the same pixels.
/// </summary>
[TestClass]
public sealed class ResNet18Tests
{
    [TestMethod]
    public void Features_OfRealImages_AreThoseOfDnnFeaturizeImage()
    {
        string[] files = [.. Images.Few(3, "bird", "fruit", "house", "vehicle").Select(r => r.ImagePath)];
        var context = new MLContext(1);
        IDataView rows = context.Data.LoadFromEnumerable(
            files.Select(f => new Row
            {
                Image = ImageMappings.Resize(
                    new FileLocation(f),
                    f,
                    ImageMappings.SettingsOf(new Preprocessing { Size = 224 }).AsMemory()
                ),
            })
        );
        IDataView featurised = context
            .Transforms.ExtractPixels(
                "Pixels",
                "Image",
                orderOfExtraction: ImagePixelExtractingEstimator.ColorsOrder.ARGB
            )
            .Append(
                context.Transforms.DnnFeaturizeImage(
                    "Features",
                    m => m.ModelSelector.ResNet18(context, m.OutputColumn, m.InputColumn),
                    "Pixels"
                )
            )
            .Fit(rows)
            .Transform(rows);
        float[][] expected = Images.Vectors(featurised, "Features");
        using var extractor = new FeatureExtractor(new BackboneStore(BackboneCatalog.Shipped).Open("resnet18"));
        ItemRows found = extractor.Extract([.. files.Select(f => new DataItem(f, f))]);
        // Both are float32 over 18 layers of values up to some ten; other kernels sum in another order.
        Assert.IsLessThan(
            1e-3,
            Images.LargestDifference(
                expected,
                [.. Enumerable.Range(0, files.Length).Select(i => found.Row(i).ToArray())]
            )
        );
        Assert.IsGreaterThan(1, expected.Max(r => r.Max()), "the features are alive");
    }

    private sealed class Row
    {
        [ImageType(224, 224)]
        public MLImage? Image { get; set; }
    }
}
