using MlNetTransfer.Backbones;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Quantization;
using MlNetTransfer.Tests.Training.FineTuning;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Jobs;

[TestClass]
public sealed class QuantizeJobTests
{
    private static QuantizeOptions Options(TuneTask task, string id = "bytes") =>
        new()
        {
            Backbone = TuneTask.Id,
            Images = [task.Images],
            Id = id,
            SpeedRounds = 1,
            CacheFolder = task.File("cache"),
            Catalog = task.File("home"),
        };

    private static QuantizeSummary Run(TuneTask task, QuantizeOptions options) =>
        new QuantizeJob(options, new JobServices { Catalog = task.Catalog }).Run();

    private static string Refused(TuneTask task, QuantizeOptions options) =>
        Assert.ThrowsExactly<TransferException>(() => Run(task, options)).Message;

    [TestMethod]
    public void Run_Backbone_IsOneOnBytesThatHeadsAreTrainedOn()
    {
        using TuneTask task = new();
        QuantizeSummary summary = Run(task, Options(task));
        BackboneCard before = task.Catalog.Get(TuneTask.Id);
        CollectionAssert.AreEqual(before.Taps.ToArray(), summary.Card.Taps.ToArray());
        Assert.AreEqual(before.Preprocessing, summary.Card.Preprocessing);
        Assert.IsGreaterThan(2, summary.Layers);
        Assert.AreEqual((27, 9), (summary.CalibrationImages, summary.JudgedImages), "a quarter of 36 judges");
        Assert.AreEqual(1, summary.Speed!.Rounds);
        foreach (TapLoss tap in summary.Taps)
        {
            Assert.IsInRange(1e-4, 0.1, tap.Error, $"{tap.Tap}: bytes are not floats, and not far from them");
            Assert.IsGreaterThanOrEqualTo(tap.Error, tap.LargestError);
        }

        BackboneCatalog catalog = BackboneCatalog.Shipped.With(new UserCatalog(task.File("home")).Read());
        OnnxModel model = new BackboneStore(catalog, task.File("cache/backbones")).Open("bytes").LoadModel();
        Assert.AreEqual(
            summary.Layers,
            model.Nodes.Count(n => n.OpType is "Conv" or "Gemm" or "MatMul") - summary.FloatLayers.Count
        );
        Assert.HasCount(1, model.Outputs, "taps are no outputs");

        TrainOptions train = task.Options("head", TrainingStrategy.Head) with { Backbone = "bytes" };
        TrainSummary trained = new TrainJob(train, new JobServices { Catalog = catalog }).Run();
        Assert.IsTrue(trained.Parity.Agrees);
        Assert.IsTrue(OnnxModel.Load(trained.Model).Nodes.Any(n => n.OpType == "DequantizeLinear"));

        TrainOptions tuned = task.Options("tuned", TrainingStrategy.FineTune) with { Backbone = "bytes" };
        Assert.Contains(
            "is quantised",
            Assert
                .ThrowsExactly<TransferException>(() =>
                    new TrainJob(tuned, new JobServices { Catalog = catalog }).Run()
                )
                .Message
        );
        Assert.Contains(
            "runs on bytes already",
            Assert
                .ThrowsExactly<TransferException>(() =>
                    new QuantizeJob(
                        Options(task, "again") with
                        {
                            Backbone = "bytes",
                        },
                        new JobServices { Catalog = catalog }
                    ).Run()
                )
                .Message
        );
    }

    [TestMethod]
    public void Run_OtherWorkers_GivesTheSameBytesAndOtherImagesOthers()
    {
        using TuneTask task = new();
        string[] digests =
        [
            Digest(Options(task, "one") with { Workers = 1 }),
            Digest(Options(task, "two") with { Workers = 2 }),
            Digest(Options(task, "other") with { CalibrationImages = 1 }),
            Digest(Options(task, "seven") with { WeightBits = WeightBits.Seven }),
        ];
        Assert.AreEqual(digests[0], digests[1]);
        Assert.HasCount(3, digests.Distinct());

        string Digest(QuantizeOptions options) => Run(task, options).Card.Files.Single().Sha256;
    }

    [TestMethod]
    public void Run_WhatCannotBe_IsRefusedAndNothingIsAdded()
    {
        using TuneTask task = new();
        Assert.Contains("comes with the product", Refused(task, Options(task, "resnet18")));
        Assert.Contains("already have a backbone 'small'", Refused(task, Options(task, TuneTask.Id)));
        string one = Directory.EnumerateFiles(task.Images, "*", SearchOption.AllDirectories).First();
        Assert.Contains("There are 1 images", Refused(task, Options(task) with { Images = [one] }));
        File.WriteAllText(task.File("a.png"), "no image");
        File.WriteAllText(task.File("b.png"), "no image");
        Assert.Contains(
            "None of the 1 images to calibrate on could be used",
            Refused(task, Options(task) with { Images = [task.File("a.png"), task.File("b.png")] })
        );
        Assert.Contains("texts", Refused(task, Options(task) with { TextColumn = "body" }));
        Assert.HasCount(1, Directory.GetDirectories(task.File("home")));
    }
}
