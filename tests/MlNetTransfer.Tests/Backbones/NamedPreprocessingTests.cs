using System.Text.Json;
using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones;

[TestClass]
public sealed class NamedPreprocessingTests
{
    /// <summary>torchvision says itself what each of its weights takes.</summary>
    private const string Script = """
        import json, torchvision.models as models
        found = {}
        for name in dir(models):
            if name.endswith('_Weights'):
                every = list(getattr(models, name))
                for weights in every:
                    t = weights.transforms()
                    key = name[:-8].lower() + ('' if len(every) == 1 else '.' + weights.name.lower())
                    found[key] = [t.crop_size[0], t.resize_size[0], t.interpolation.value] + list(t.mean) + list(t.std)
        print(json.dumps(found))
        """;

    [TestMethod]
    public void Find_EveryWeightsOfTorchvision_AreAsItSays()
    {
        Python.Require("torchvision");
        Dictionary<string, JsonElement[]> all = JsonSerializer.Deserialize<Dictionary<string, JsonElement[]>>(
            Python.Run(Script)
        )!;
        Assert.IsGreaterThan(80, all.Count);
        foreach ((string name, JsonElement[] said) in all)
        {
            PreprocessingParts found = NamedPreprocessing.Find($"torchvision:{name}");
            int crop = said[0].GetInt32();
            Assert.AreEqual(
                (crop, crop, Framing.ResizeCrop, ChannelOrder.Rgb),
                (found.Height, found.Width, found.Framing, found.Order),
                name
            );
            Assert.AreEqual(said[1].GetInt32(), (int)(crop / found.CropFraction!.Value + 1e-6), name);
            Assert.AreEqual(said[2].GetString(), found.Interpolation.ToString()!.ToLowerInvariant(), name);
            float[] scale = [.. said[3..].Select(v => v.GetSingle())];
            Assert.AreEqual(
                (new ChannelValues(scale[0], scale[1], scale[2]), new ChannelValues(scale[3], scale[4], scale[5])),
                (found.Scale!.Mean, found.Scale.Std),
                name
            );
        }
    }

    [TestMethod]
    public void Find_KerasFamily_IsWhatItsPreprocessInputDoes()
    {
        // keras.applications.imagenet_utils.preprocess_input, by its three modes.
        PreprocessingParts caffe = NamedPreprocessing.Find("keras:vgg16"),
            tf = NamedPreprocessing.Find("keras:mobilenet_v2"),
            torch = NamedPreprocessing.Find("keras:densenet121");
        Assert.AreEqual(ChannelOrder.Bgr, caffe.Order);
        Assert.AreEqual(255 - 123.68f, (1 - caffe.Scale!.Mean.Red) / caffe.Scale.Std.Red, 1e-3f);
        Assert.AreEqual(255 - 103.939f, (1 - caffe.Scale.Mean.Blue) / caffe.Scale.Std.Blue, 1e-3f);
        Assert.AreEqual((1, -1), ((1 - tf.Scale!.Mean.Red) / tf.Scale.Std.Red, -tf.Scale.Mean.Red / tf.Scale.Std.Red));
        Assert.AreEqual((1 - 0.406f) / 0.225f, (1 - torch.Scale!.Mean.Blue) / torch.Scale.Std.Blue, 1e-6f);
        Assert.AreEqual(255, 1 / NamedPreprocessing.Find("keras:efficientnet").Scale!.Std.Red, 1e-3f);
    }

    [TestMethod]
    [DataRow("imagnet", "imagenet|unit")]
    [DataRow("keras:lenet", "vgg16")]
    [DataRow("torchvision:resnet50", "resnet50.imagenet1k_v2")]
    [DataRow("torchvision:mine", "--preprocessing imagenet")]
    public void Find_NameThatIsNotKnown_SaysWhichAre(string name, string expected) =>
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => NamedPreprocessing.Find(name)).Message,
            expected
        );
}
