using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Datasets;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones.Onnx;

/// <summary>Networks whose preprocessing is known, because they were trained with it.</summary>
[TestClass]
public sealed class PreprocessingDetectiveTests
{
    /// <summary>
    /// A small network with batch normalisation, trained on the sample drawings for a few passes with a given scale;
    /// with its normalisations, and with these folded into the convolutions, as exporters do.
    /// </summary>
    private const string Script = """
        import glob, os, sys, numpy as np, torch
        from PIL import Image
        torch.manual_seed(3); torch.set_num_threads(1)
        root, scale, file = sys.argv[1:4]
        images, labels = [], []
        for i, folder in enumerate(sorted(glob.glob(root + '/*'))):
            for name in sorted(glob.glob(folder + '/*')):
                image = Image.open(name).convert('RGBA'); white = Image.new('RGBA', image.size, 'white'); white.alpha_composite(image)
                images.append(np.asarray(white.convert('RGB').resize((48, 48), Image.BILINEAR))); labels.append(i)
        x = torch.tensor(np.stack(images)).permute(0, 3, 1, 2).float(); y = torch.tensor(labels)
        mean, std = torch.tensor([.485, .456, .406]).view(1, 3, 1, 1), torch.tensor([.229, .224, .225]).view(1, 3, 1, 1)
        x = {'imagenet': (x / 255 - mean) / std, 'unit': x / 255, 'minus1to1': x / 127.5 - 1, 'raw255': x}[scale]
        def block(a, b): return [torch.nn.Conv2d(a, b, 3, 2, 1, bias=False), torch.nn.BatchNorm2d(b), torch.nn.ReLU()]
        net = torch.nn.Sequential(*block(3, 16), *block(16, 32), *block(32, 48), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(48, int(y.max()) + 1))
        optimizer = torch.optim.Adam(net.parameters(), 3e-3)
        for epoch in range(12):
            order = torch.randperm(len(x))
            for b in range(0, len(x) - 8, 16):
                i = order[b:b + 16]
                loss = torch.nn.functional.cross_entropy(net(x[i]), y[i]); optimizer.zero_grad(); loss.backward(); optimizer.step()
        net.eval()
        names = dict(input_names=['x'], output_names=['y'], dynamic_axes={'x': {0: 'N'}, 'y': {0: 'N'}}, opset_version=13)
        torch.onnx.export(net, torch.zeros(1, 3, 48, 48), file, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False, **names)
        torch.onnx.export(net, torch.zeros(1, 3, 48, 48), file + '.folded', **names)
        """;

    private static readonly string Drawings = Repository.At("data-samples/clipart");

    [TestMethod]
    [DataRow("imagenet")]
    [DataRow("unit")]
    [DataRow("minus1to1")]
    [DataRow("raw255")]
    public void Inspect_TrainedNetwork_FindsTheScaleItWasTrainedWith(string scale)
    {
        using TempFolder folder = new();
        string file = Trained(folder, scale);
        InspectedBackbone found = OnnxBackboneInspector.Inspect(
            OnnxModel.Load(file),
            new OnnxInspectionOptions { Images = DatasetReader.Read(Drawings).Items }
        );
        Assert.IsTrue(found.Evidence!.IsClear);
        Assert.AreEqual(scale, found.Evidence.Best.Choice.Scale.ToString());
        Assert.IsTrue(NamedPreprocessing.Find(scale).Scale!.IsNear(PreprocessingParts.Of(found.Preprocessing).Scale!));
        Assert.IsNull(found.Warning);

        // Photographs are not what it was trained on; the made ones rank the right scale first all the same.
        InspectedBackbone made = OnnxBackboneInspector.Inspect(
            OnnxModel.Load(file),
            TinyOnnx.With(scale) with
            {
                Checks = true,
            }
        );
        Assert.AreEqual(scale, made.Evidence!.Best.Choice.Scale.ToString());
        Assert.IsNull(made.Warning);
    }

    [TestMethod]
    public void Inspect_WrongScale_IsTakenWithAWarning()
    {
        using TempFolder folder = new();
        InspectedBackbone found = OnnxBackboneInspector.Inspect(
            OnnxModel.Load(Trained(folder, "raw255")),
            TinyOnnx.With("imagenet") with
            {
                Checks = true,
            }
        );
        Assert.AreEqual(0.229f, found.Preprocessing.Std.Red, "the user's word is taken");
        StringAssert.Contains(found.Warning, "trained with 'raw255'");
    }

    [TestMethod]
    public void Inspect_NormalisationsFoldedAway_AsksAndTellsByLabelledImages()
    {
        using TempFolder folder = new();
        var model = OnnxModel.Load(Trained(folder, "raw255") + ".folded");
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => OnnxBackboneInspector.Inspect(model)).Message,
            "no batch normalisation"
        );
        PreprocessingEvidence found = OnnxBackboneInspector
            .Inspect(model, TinyOnnx.With("raw255") with { Checks = true, Images = DatasetReader.Read(Drawings).Items })
            .Evidence!;
        StringAssert.Contains(found.Method, "classes");
        double Errors(string scale) => found.Ranking.First(r => r.Choice.Name == scale).Score;
        Assert.IsLessThan(Errors("unit"), Errors("raw255"), "it tells the classes apart as it was trained");
    }

    /// <summary>
    /// A normalisation whose memory is wrong by known amounts: with mean 1 of 2 and variance 4 of 1, the symmetric
    /// divergence is (4 + 1/4 - 2 + 1·(1/4 + 1)) / 2.
    /// </summary>
    [TestMethod]
    public void Compare_KnownMoments_GivesTheDivergenceInClosedForm()
    {
        OnnxModel model = new GraphBuilder()
            .Input(Backbone.InputName, ["N", 3, 8, 8])
            .Initializer("scale", [1f, 1, 1], 3)
            .Initializer("bias", [0f, 0, 0], 3)
            .Initializer("mean", [2f, 2, 2], 3)
            .Initializer("variance", [1f, 1, 1], 3)
            .Node(
                "BatchNormalization",
                [Backbone.InputName, "scale", "bias", "mean", "variance"],
                ["y"],
                MlNetTransfer.Onnx.Attributes.Of("epsilon", 0f)
            )
            .Output("y", ["N", 3, 8, 8])
            .Build();
        // Half of the pixels are 3, half -1: mean 1, variance 4.
        float[] pixels = [.. Enumerable.Range(0, 192).Select(i => i % 2 == 0 ? 3f : -1f)];
        PreprocessingChoice plain = new("plain", ChannelScale.Of(255, default, new(1, 1, 1)), ChannelOrder.Rgb),
            other = new("other", ChannelScale.Of(1, default, new(1, 1, 1)), ChannelOrder.Rgb);
        PreprocessingEvidence found = new PreprocessingDetective(model).Compare([pixels], (8, 8), [other, plain]);
        Assert.AreEqual(
            Math.Log((4 + 0.25 - 2 + 1.25) / 2),
            found.Ranking.Single(r => r.Choice.Name == "plain").Score,
            1e-5
        );
        Assert.AreEqual("plain", found.Best.Choice.Name);
    }

    [TestMethod]
    public void Check_DefaultBackbone_IsRight()
    {
        using TempFolder folder = new();
        Backbone backbone = new BackboneStore(BackboneCatalog.Shipped, folder.File("cache")).Open("resnet18");
        CheckedPreprocessing found = OnnxBackboneInspector.Check(backbone, []);
        Assert.AreEqual("raw255", found.Evidence.Best.Choice.Name);
        Assert.IsTrue(found.Evidence.IsClear);
        Assert.IsNull(found.Warning);
        Assert.IsGreaterThan(1, found.Evidence.Lead);
    }

    private static string Trained(TempFolder folder, string scale)
    {
        Python.Require("torch", "PIL");
        string file = folder.File("net.onnx");
        Python.Run(Script, Drawings, scale, file);
        return file;
    }
}
