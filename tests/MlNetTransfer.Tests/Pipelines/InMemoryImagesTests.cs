using MlNetTransfer.Imaging;
using MlNetTransfer.Pipelines;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Pipelines;

/// <summary>However an image comes (path, bytes, stream, pixels), and whether the steps are spelt out or not, the features are the same bits.</summary>
[TestClass]
public sealed class InMemoryImagesTests
{
    private const string Tap = "block_6_expand_relu";
    private static readonly TransferContext Context = new(options: new TransferContextOptions { CacheFeatures = false, BatchRows = 2 });
    private static readonly string[] Files = [.. new[] { "bird/cormorant-md.png", "drink/glass.png", "fruit/banana.png" }.Select(f => Repository.At("data-samples/clipart/" + f))];
    private static readonly Lazy<float[][]> Expected = new(() => Features(Context.Data.LoadFromEnumerable(Files.Select(f => new PathRow { ImagePath = f })), Context.Transforms.LoadImages("Image", "ImagePath")));

    [TestMethod]
    public void Features_OfBytes_AreThoseOfFiles() =>
        AssertExpected(Features(Context.Data.LoadFromEnumerable(Files.Select(f => new BytesRow { Content = File.ReadAllBytes(f) })), Context.Transforms.LoadImages("Image", "Content")));

    [TestMethod]
    public void Features_OfStreams_AreThoseOfFiles_AndStreamsAreClosed()
    {
        var opened = new List<Stream>();
        StreamRow[] rows = [.. Files.Select(f => new StreamRow { Content = () => Kept(new BufferedStream(File.OpenRead(f), 16)) })];
        AssertExpected(Features(Context.Data.LoadFromEnumerable(rows), Context.Transforms.LoadImages("Image", "Content")));
        Assert.HasCount(Files.Length, opened);
        Assert.IsTrue(opened.All(s => !s.CanRead));

        Stream Kept(Stream stream)
        {
            lock (opened) opened.Add(stream);
            return stream;
        }
    }

    [TestMethod]
    public void Features_OfPixels_AreThoseOfAFileWithThem()
    {
        var rng = new Random(3);
        var pixels = new byte[31 * 17 * 3];
        rng.NextBytes(pixels);
        using var folder = new TempFolder();
        // The oracle is a PNG that Pillow writes.
        string png = folder.File("p.png");
        Python.Run("import sys;from PIL import Image;Image.frombytes('RGB',(31,17),bytes.fromhex(sys.argv[1])).save(sys.argv[2])", Convert.ToHexString(pixels), png);

        float[][] found = Features(Context.Data.LoadFromEnumerable([new PixelsRow { Image = new RgbImage(31, 17, pixels) }]), null);
        float[][] expected = Features(Context.Data.LoadFromEnumerable([new PathRow { ImagePath = png }]), Context.Transforms.LoadImages("Image", "ImagePath"));
        CollectionAssert.AreEqual(expected[0], found[0]);
    }

    [TestMethod]
    public void Features_OfStepsSpeltOut_AreThoseOfTheBackbone()
    {
        var card = MlNetTransfer.Backbones.BackboneCatalog.Default.Get("mobilenet_v2");
        var backbone = new MlNetTransfer.Backbones.BackboneStore(MlNetTransfer.Backbones.BackboneCatalog.Default).Open(card.Id);
        IDataView data = Context.Data.LoadFromEnumerable(Files.Select(f => new PathRow { ImagePath = f }));
        using var model = Context.Transforms.LoadImages("Image", "ImagePath", Repository.At("data-samples"))
            .Append(Context.Transforms.ResizeImages("Resized", "Image", card.Preprocessing.Size, card.Preprocessing.Framing, card.Preprocessing.Interpolation))
            .Append(Context.Transforms.ExtractPixels("Pixels", "Resized", card.Preprocessing.Mean, card.Preprocessing.Std))
            .Append(Context.Transforms.ApplyOnnxModel("Features", "Pixels", backbone.Path, card.Tap(Tap).Tensor))
            .Fit(data);
        float[][] found = Read(model.Transform(data));
        float[][] expected = Features(data, Context.Transforms.LoadImages("Image", "ImagePath"), "mobilenet_v2");
        for (int i = 0; i < found.Length; i++) CollectionAssert.AreEqual(expected[i], found[i]);
    }

    private static void AssertExpected(float[][] found)
    {
        Assert.HasCount(Files.Length, found);
        for (int i = 0; i < found.Length; i++) CollectionAssert.AreEqual(Expected.Value[i], found[i]);
    }

    private static float[][] Features(IDataView data, IEstimator<ITransformer>? load, string backbone = ImageClassificationTrainer.DefaultBackbone)
    {
        IEstimator<RowTransformer> features = Context.Transforms.ApplyBackbone("Features", "Image", backbone, [Tap]);
        using ITransformer model = load is null ? features.Fit(data) : load.Append(features).Fit(data);
        return Read(model.Transform(data));
    }

    private static float[][] Read(IDataView view) => [.. Context.Data.CreateEnumerable<FeaturesRow>(view).Select(r => r.Features)];
}
