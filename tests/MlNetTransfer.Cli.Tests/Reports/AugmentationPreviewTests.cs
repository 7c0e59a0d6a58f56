using System.Security.Cryptography;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Reports;
using MlNetTransfer.Reports.Sections;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests.Reports;

[TestClass]
public sealed class AugmentationPreviewTests
{
    private static readonly Preprocessing Input = new()
    {
        Size = 64,
        Mean = new(0.485f, 0.456f, 0.406f),
        Std = new(0.229f, 0.224f, 0.225f),
    };

    /// <summary>The tensor of a plain image holds its pixels, so what comes back is them: no shade is lost.</summary>
    [TestMethod]
    public void Pixels_OfATensor_AreThoseItWasMadeOf()
    {
        byte[] file = Bmp.Of(64, 64, (x, y) => (x * 4 + y) % 256);
        using var preprocessor = new ImagePreprocessor(Input, new ImageLimits());
        var tensor = new float[Input.TensorLength];
        preprocessor.Process(file, tensor);
        using var decoder = new ThumbnailDecoder(64);
        CollectionAssert.AreEqual(
            decoder.Decode(file).Pixels.ToArray(),
            AugmentationPreview.Pixels(tensor, Input).Pixels.ToArray()
        );
    }

    [TestMethod]
    public void Of_ImagesOfClasses_ShowsOneOfEachInTheVariationsOfTheSeed()
    {
        EvaluatedItem[] images = Samples();
        AugmentationPreview found = Preview(images, AugmentationPreset.Light, seed: 3);
        CollectionAssert.AreEqual(
            new[] { "bird", "flower", "house", "instrument" },
            found.Rows.Select(row => row.Image.Truth).ToArray()
        );
        foreach ((EvaluatedItem image, IReadOnlyList<string> pictures) in found.Rows)
        {
            Assert.HasCount(1 + AugmentationPreview.Draws, pictures);
            Assert.HasCount(1 + AugmentationPreview.Draws, pictures.Distinct().ToArray(), image.File);
        }

        // Oracle: the augmenter of the training, asked for the second epoch.
        using var augmenter = new ImageAugmenter(Input, AugmentationOptions.Of(AugmentationPreset.Light));
        byte[] encoded = File.ReadAllBytes(((FileLocation)found.Rows[0].Image.Location!).Path);
        var tensor = new float[Input.TensorLength];
        augmenter.Process(encoded, AugmentationDraw.Of(3, SHA256.HashData(encoded), 2), tensor);
        Assert.AreEqual(
            ThumbnailShelf.DataUri(AugmentationPreview.Pixels(tensor, Input)),
            found.Rows[0].Pictures[2],
            "64 pixels are no more than a thumbnail has"
        );
        string[] again = [.. Preview(images, AugmentationPreset.Light, seed: 3).Rows.SelectMany(row => row.Pictures)],
            other = [.. Preview(images, AugmentationPreset.Light, seed: 4).Rows.SelectMany(row => row.Pictures)];
        CollectionAssert.AreEqual(found.Rows.SelectMany(row => row.Pictures).ToArray(), again);
        Assert.AreEqual(again[0], other[0], "the image as it is");
        Assert.AreNotEqual(again[1], other[1]);
    }

    [TestMethod]
    public void Of_NoRoomNoImagesOrNoAugmentation_IsNothing()
    {
        EvaluatedItem[] images = Samples();
        Assert.IsEmpty(Preview(images, AugmentationPreset.None, seed: 1).Rows);
        Assert.IsEmpty(Preview(images, AugmentationPreset.Light, 1, new() { MaxThumbnailBytes = 1000 }).Rows);
        Assert.IsEmpty(Preview(images, AugmentationPreset.Light, 1, new() { MaxThumbnails = 5 }).Rows);
        EvaluatedItem[] gone = [.. images.Select(image => image with { Location = new FileLocation("/gone.png") })];
        Assert.IsEmpty(Preview(gone, AugmentationPreset.Light, seed: 1).Rows);
        EvaluatedItem[] unknown = [.. images.Select(image => image with { Location = null })];
        AugmentationPreview none = Preview(unknown, AugmentationPreset.Strong, seed: 1);
        Assert.AreEqual("", SeenSection.Of(none).Markup);
    }

    [TestMethod]
    public void Of_NamesThatAreMarkup_AreText()
    {
        EvaluatedItem[] images =
        [
            .. Samples().Select(image => image with { Truth = "<b>" + new string('x', 300), File = "<i>.png" }),
        ];
        string html = SeenSection.Of(Preview(images, AugmentationPreset.Strong, seed: 1)).Markup;
        StringAssert.Contains(html, "take --augment light or none");
        StringAssert.Contains(html, "&lt;i&gt;.png");
        Assert.IsFalse(html.Contains("<i>", StringComparison.Ordinal));
        Assert.IsFalse(html.Contains("<b><b>", StringComparison.Ordinal));
    }

    private static AugmentationPreview Preview(
        EvaluatedItem[] images,
        AugmentationPreset preset,
        int seed,
        HtmlReportOptions? options = null
    ) =>
        AugmentationPreview.Of(
            images,
            Input,
            preset,
            seed,
            options ?? new HtmlReportOptions(),
            new ImageLimits(),
            CancellationToken.None
        );

    private static EvaluatedItem[] Samples()
    {
        Dataset data = DatasetReader.Read(Cli.Samples);
        return
        [
            .. data.Items.Select(item => new EvaluatedItem(item.Name, data.ClassNames[item.Label], null, new float[1])
            {
                Location = item.Location,
            }),
        ];
    }
}
