using MlNetTransfer.Backbones;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Backbones;
using MlNetTransfer.Tests.Backbones.Onnx;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training.FineTuning;

/// <summary>
/// Every backbone of the catalog, and one that a user exported, trains from end to end; few images and the top alone,
/// so that it takes seconds.
/// </summary>
[TestClass]
public sealed class FineTunedBackbonesTests
{
    [TestMethod]
    [DataRow("resnet18", 10)]
    [DataRow("mobilenet_v2", 18)]
    [DataRow("mobilenet_v2_140", 18)]
    [DataRow("inception_v3", 11)]
    [DataRow("nanodet", 8)]
    public void Run_BackboneOfTheCatalog_TrainsItsTop(string id, int atLeast)
    {
        using TempFolder folder = new();
        Restored.Open(id, folder);
        TrainSummary summary = Train(folder, id, BackboneCatalog.Shipped, 1);
        Assert.IsGreaterThanOrEqualTo(atLeast, summary.Training!.Blocks, id);
        Assert.AreEqual(summary.Training.Blocks - 1, summary.Training.FrozenBlocks);
        Assert.AreEqual(1, summary.Training.Epochs);
        Assert.IsTrue(summary.Parity.Agrees);
    }

    [TestMethod]
    public void Run_ExportOfTorchvision_TrainsWhole()
    {
        Python.Require("torch", "torchvision");
        using TempFolder folder = new();
        Python.Run(
            """
            import sys, torch, torchvision
            torch.manual_seed(0)
            m = torchvision.models.resnet18(num_classes=7).eval()
            torch.onnx.export(m, torch.zeros(1, 3, 64, 64), sys.argv[1], input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "N"}, "y": {0: "N"}}, opset_version=11, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
            """,
            folder.File("resnet18.onnx")
        );
        var users = new UserCatalog(folder.File("home"));
        users.Add(
            new NewBackbone
            {
                Source = folder.File("resnet18.onnx"),
                Id = "exported",
                Inspection = TinyOnnx.With("imagenet"),
            }
        );
        TrainSummary summary = Train(folder, "exported", BackboneCatalog.Shipped.With(users.Read()), null);
        // The stem and eight residual units.
        Assert.AreEqual((9, 0, 1), (summary.Training!.Blocks, summary.Training.FrozenBlocks, summary.Training.Epochs));
        Assert.IsTrue(summary.Parity.Agrees);
    }

    private static TrainSummary Train(TempFolder folder, string id, BackboneCatalog catalog, int? top)
    {
        foreach (string name in (string[])["bird", "fruit"])
        foreach (
            string file in Directory
                .GetFiles(Repository.At($"data-samples/clipart/{name}"), "*.png")
                .Order(StringComparer.Ordinal)
                .Take(4)
        )
            folder.Write($"images/{name}/{Path.GetFileName(file)}", File.ReadAllBytes(file));
        TrainOptions options = new()
        {
            Folder = folder.File("images"),
            Output = folder.File("out"),
            CacheFolder = folder.File("cache"),
            Backbone = id,
            Taps = [.. catalog.Get(id).Taps.Select(t => t.Name)],
            Head = HeadKind.Ridge,
            TestFraction = 0.25,
            Strategy = top is null ? TrainingStrategy.Full : TrainingStrategy.FineTune,
            FineTune = new FineTuneOptions
            {
                Epochs = 1,
                BatchSize = 4,
                LearningRate = 1e-4,
                Augmentation = AugmentationPreset.Light,
                Draws = 1,
                ValidationFraction = 0.3,
            },
        };
        var services = new JobServices { Catalog = catalog };
        if (top is null)
            return new TrainJob(options, services).Run();
        int blocks = NetworkBlocks
            .Find(
                new BackboneStore(catalog, folder.File("cache/backbones")).Open(id).LoadModel(),
                [.. catalog.Get(id).Taps.Select(t => t.Tensor)]
            )
            .Count;
        return new TrainJob(
            options with
            {
                FineTune = options.FineTune with { Freeze = FreezeBoundary.OfBlocks(blocks - top.Value) },
            },
            services
        ).Run();
    }
}
