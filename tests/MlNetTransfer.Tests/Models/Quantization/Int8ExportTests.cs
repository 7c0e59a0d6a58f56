using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Quantization;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Models.Quantization;

[TestClass]
public sealed class Int8ExportTests
{
    private const int Size = 16;

    private static readonly Int8Options Options = new()
    {
        CalibrationImages = 20,
        SensitivityImages = 4,
        SpeedRounds = 0,
    };

    [TestMethod]
    [DataRow(CalibrationMethod.MinMax)]
    [DataRow(CalibrationMethod.Percentile)]
    [DataRow(CalibrationMethod.Entropy)]
    public void Run_TrainedModel_IsReadAsBeforeAndAgrees(CalibrationMethod method)
    {
        using var folder = new TempFolder();
        string path = Save(folder, Network());
        Int8Model found = new Int8Export(
            Options with
            {
                Calibration = new RangeCalibration { Method = method },
                SpeedRounds = 2,
            }
        ).Run(path, Images(1, 30), Images(2, 40));
        found.Onnx.Save(folder.File("int8.onnx"));
        using TransferModel single = TransferModel.Load(path),
            int8 = TransferModel.Load(folder.File("int8.onnx"));
        CollectionAssert.AreEqual(single.ClassNames.ToArray(), int8.ClassNames.ToArray());
        float[] p = single.Predict(Images(2, 40)).Values,
            q = int8.Predict(Images(2, 40)).Values;
        for (int i = 0; i < p.Length; i++)
            Assert.AreEqual(p[i], q[i], 0.05, "tensors in 255 steps, logits of about 10");
        Assert.AreEqual(
            found.Report.MeanProbabilityDifference,
            p.Zip(q, (a, b) => (double)Math.Abs(a - b)).Average(),
            1e-9,
            "the file is what was judged"
        );
        QuantizationReport report = found.Report;
        Assert.AreEqual(
            (40, 1.0, 20, 3, 1),
            (report.Images, report.FloatAccuracy, report.CalibrationImages, report.Int8Layers, report.Looks)
        );
        CollectionAssert.AreEqual(new[] { "logits" }, report.FloatLayers.ToArray(), "the head");
        Assert.AreEqual(new FileInfo(folder.File("int8.onnx")).Length, report.Int8Bytes);
        Assert.AreEqual(2, report.Speed!.Rounds);
        Assert.IsTrue(report.Speed.LeastRatio <= report.Speed.Ratio && report.Speed.Ratio <= report.Speed.MostRatio);
        StringAssert.Contains(found.Onnx.Metadata[Int8Metadata.Key], $"\"calibration\":\"{method}\"");
    }

    [TestMethod]
    public void Run_OtherNumberOfWorkers_GivesTheSameBytes()
    {
        using var folder = new TempFolder();
        string path = Save(folder, Network());
        byte[] Bytes(int workers, int seed) => new Int8Export(
                Options with
                {
                    Seed = seed,
                    Calibration = new RangeCalibration { Method = CalibrationMethod.Entropy },
                },
                plan: ExecutionPlan.For(ExecutionProvider.Cpu, workers)
            ).Run(path, Images(1, 40), Images(2, 12)).Onnx.ToBytes();
        CollectionAssert.AreEqual(Bytes(1, 1), Bytes(3, 1));
        CollectionAssert.AreNotEqual(Bytes(1, 1), Bytes(1, 2), "other calibration images");
    }

    [TestMethod]
    public void Run_HeadToo_LeavesNothingInFloat()
    {
        using var folder = new TempFolder();
        Int8Model found = new Int8Export(Options with { QuantizeHead = true }).Run(
            Save(folder, Network()),
            Images(1, 30),
            Images(2, 20)
        );
        Assert.IsEmpty(found.Report.FloatLayers);
        Assert.AreEqual(4, found.Report.Int8Layers);
    }

    /// <summary>
    /// One tensor has a channel a thousand times as large as the one that matters: the step of its bytes hides the
    /// latter, so both layers at it must stay in float.
    /// </summary>
    [TestMethod]
    public void Run_TensorThatBytesCannotHold_IsRefusedWithItsLayersOrFound()
    {
        using var folder = new TempFolder();
        string path = Save(folder, Network(spread: 1000));
        string message = Assert
            .ThrowsExactly<TransferException>(() => new Int8Export(Options).Run(path, Images(1, 30), Images(2, 40)))
            .Message;
        StringAssert.Contains(message, "'wide'");
        StringAssert.Contains(message, "'mix'");
        StringAssert.Contains(message, "more than 2 points");
        var stages = new HashSet<string>();
        Int8Model found = new Int8Export(Options with { AutoFloat = true }).Run(
            path,
            Images(1, 30),
            Images(2, 40),
            new Told(p =>
            {
                lock (stages)
                    stages.Add(p.Stage);
            })
        );
        CollectionAssert.AreEqual(new[] { "wide", "mix", "logits" }, found.Report.FloatLayers.ToArray());
        Assert.AreEqual(1, found.Report.Int8Accuracy);
        Assert.AreEqual(3, found.Report.Looks, "none, one and two layers in float");
        Assert.AreEqual("last", found.Report.Sensitivities[^1].Layer);
        Assert.Contains("Measuring layers", stages);
        CollectionAssert.AreEqual(
            new[] { "wide", "mix", "logits" },
            new Int8Export(Options with { FloatLayers = ["wide", "mix"] })
                .Run(path, Images(1, 30), Images(2, 40))
                .Report.FloatLayers.ToArray()
        );
    }

    [TestMethod]
    public void Run_WrongInput_SaysWhatIsWrong()
    {
        using var folder = new TempFolder();
        string path = Save(folder, Network());
        var export = new Int8Export(Options);
        var broken = new DataItem(new MemoryLocation(new byte[] { 1, 2, 3 }), "broken.png", 0);
        Says("no image to calibrate on", () => export.Run(path, [], Images(2, 4)));
        Says("no held-out image", () => export.Run(path, Images(1, 4), []));
        Says("broken.png", () => export.Run(path, [broken], Images(2, 4)));
        Says("broken.png", () => export.Run(path, Images(1, 4), [broken]));
        Says("classes 0 to 1", () => export.Run(path, Images(1, 4), [Images(2, 1)[0] with { Label = 2 }]));
        export.Run(path, Images(1, 4), Images(2, 4)).Onnx.Save(folder.File("int8.onnx"));
        Says("quantised already", () => export.Run(folder.File("int8.onnx"), Images(1, 4), Images(2, 4)));
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() =>
                    new Int8Export(Options with { FloatLayers = ["wied"] }).Run(path, Images(1, 4), Images(2, 4))
                )
                .Message,
            "Near names: wide"
        );

        static void Says(string expected, Func<object> run) =>
            StringAssert.Contains(Assert.ThrowsExactly<TransferException>(run).Message, expected);
    }

    [TestMethod]
    public void Run_SomeImagesBroken_AreInTheReport()
    {
        using var folder = new TempFolder();
        var broken = new DataItem(new MemoryLocation(new byte[] { 1, 2, 3 }), "broken.png", 0);
        QuantizationReport report = new Int8Export(Options)
            .Run(Save(folder, Network()), [broken, .. Images(1, 5)], [.. Images(2, 5), broken])
            .Report;
        Assert.AreEqual((5, 5, 2), (report.CalibrationImages, report.Images, report.Rejected.Count));
    }

    [TestMethod]
    public void Run_Cancelled_Ends()
    {
        using var folder = new TempFolder();
        string path = Save(folder, Network());
        using var source = new CancellationTokenSource();
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            new Int8Export(Options).Run(
                path,
                Images(1, 30),
                Images(2, 20),
                new Told(_ => source.Cancel()),
                source.Token
            )
        );
    }

    /// <summary>
    /// Features (r - g, g - r) through three 1 × 1 convolutions; the middle tensor has b times a factor beside them.
    /// </summary>
    private static OnnxModel Network(float spread = 1) =>
        new GraphBuilder()
            .Input("image", ["N", 3, Size, Size])
            .Initializer("w1", [0f, 0, spread, 1, -1, 0], 2, 3, 1, 1)
            .Initializer("w2", [0f, 1, 0, -1], 2, 2, 1, 1)
            .Initializer("w3", [1f, 0, 0, 1], 2, 2, 1, 1)
            .Initializer("b3", [0.5f, 0.5f], 2)
            .Node(Conv("wide", "image", "w1"))
            .Node(Conv("mix", "wide", "w2"))
            .Node(Conv("last", "mix", "w3", "b3"))
            .Node("Relu", ["last"], ["rectified"])
            .Node("GlobalAveragePool", ["rectified"], ["pooled"])
            .Node("Flatten", ["pooled"], ["flat"])
            .Node("Identity", ["flat"], [FeatureGraph.Output])
            .Output(FeatureGraph.Output, ["N", 2])
            .Build();

    private static NodeProto Conv(string name, params string[] inputs) =>
        new()
        {
            OpType = "Conv",
            Name = name,
            Input = { inputs },
            Output = { name },
        };

    /// <summary>Plain colours: red above green or not, by at least a fifth; blue is anything.</summary>
    private static DataItem[] Images(int seed, int count)
    {
        var random = new Random(seed);
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(i =>
                {
                    int low = random.Next(0, 150),
                        high = low + random.Next(51, 105),
                        label = i % 2;
                    byte[] file = Bmp.Plain(
                        (byte)(label == 0 ? high : low),
                        (byte)(label == 0 ? low : high),
                        (byte)random.Next(256),
                        Size
                    );
                    return new DataItem(new MemoryLocation(file), $"{seed}/{i}.bmp", label);
                }),
        ];
    }

    private static string Save(TempFolder folder, OnnxModel features)
    {
        var preprocessing = new Preprocessing { Size = Size };
        DataItem[] train = Images(3, 60);
        using var graph = new ItemGraph(features.ToBytes(), FeatureGraph.Output, preprocessing);
        ItemRows rows = new ItemRunner(graph).Run(train, "features");
        IHead head = new SoftmaxTrainer(new SoftmaxTrainerOptions { L2 = 1e-2 }).Fit(
            new FeatureTable(["red", "green"], [.. train.Select(i => i.Label)], rows.Values, 2)
        );
        var metadata = new ModelMetadata
        {
            Labels = ["red", "green"],
            Encoder = new ImageEncoder(preprocessing),
            Backbone = "none",
            CardDigest = "",
            Taps = ["features"],
            TrainingDigest = "",
        };
        string path = folder.File("model.onnx");
        ModelGraph.Build(features, head, metadata).Save(path);
        return path;
    }

    private sealed class Told(Action<JobProgress> told) : IProgress<JobProgress>
    {
        public void Report(JobProgress value) => told(value);
    }
}
