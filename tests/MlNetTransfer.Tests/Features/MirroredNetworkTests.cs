using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Backbones;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Features;

/// <summary>
/// Oracle: the plain network on an image file, and on a copy of the file whose pixels were reversed row by row.
/// </summary>
[TestClass]
public sealed class MirroredNetworkTests
{
    /// <summary>Maps and rows, two scales, an operator set in which Slice has attributes.</summary>
    [TestMethod]
    [DataRow("unit", 9)]
    [DataRow("imagenet", 17)]
    public void Extract_Flip_IsTheMeanOverTheImageAndItsMirroredFile(string preprocessing, int opset)
    {
        using SideNetworks task = new SideNetworks(4).Add("net", 1, preprocessing, opset: opset);
        Backbone plain = Open(task, "net");
        Assert.IsGreaterThan(1, plain.Card.Taps.Count);
        CheckMean(plain, Pairs(task));
    }

    /// <summary>A real network: strides, padding and pooling that do not treat left and right alike.</summary>
    [TestMethod]
    public void Extract_FlipOfResNet18_IsTheMeanOverTheImageAndItsMirroredFile()
    {
        using SideNetworks task = new(1);
        var rng = new Rng(1);
        byte[] file = Bmp.Plain(0, 0, 0, 224);
        for (int y = 0; y < 224; y++)
        for (int x = 0; x < 224; x++)
        for (int c = 0; c < 3; c++)
            file[54 + 672 * y + 3 * x + c] = (byte)(x / 32 * 30 + (y > x ? 20 : 0) + rng.Next(20));
        DataItem[] pair = [Write(task, "image.bmp", file), Write(task, "mirror.bmp", Mirrored(file, 224))];
        CheckMean(new BackboneStore(BackboneCatalog.Default).Open("resnet18"), [(pair[0], pair[1])]);
    }

    /// <summary>Bit for bit: a + b is b + a, and both copies of the network round alike.</summary>
    [TestMethod]
    public void Extract_FlipOfAnImageAndOfItsMirror_AreEqual()
    {
        using SideNetworks task = new SideNetworks(4).Add("net", 1);
        (DataItem Image, DataItem Mirror)[] pairs = Pairs(task);
        Backbone flipped = MirroredNetwork.Of(Open(task, "net"), TestTimeAugmentation.Flip);
        ItemRows images = Rows(flipped, [.. pairs.Select(p => p.Image)]),
            mirrors = Rows(flipped, [.. pairs.Select(p => p.Mirror)]);
        CollectionAssert.AreEqual(images.Values, mirrors.Values);
        CollectionAssert.AreNotEqual(
            Rows(Open(task, "net"), [.. pairs.Select(p => p.Image)]).Values,
            Rows(Open(task, "net"), [.. pairs.Select(p => p.Mirror)]).Values,
            "without the option they differ, else this shows nothing"
        );
    }

    [TestMethod]
    public void LoadModel_Flip_HasEachWeightOnce()
    {
        using SideNetworks task = new SideNetworks(1).Add("net", 1);
        Backbone plain = Open(task, "net"),
            flipped = MirroredNetwork.Of(plain, TestTimeAugmentation.Flip);
        OnnxModel whole = flipped.LoadModel();
        Assert.AreEqual(2 * plain.LoadModel().Nodes.Count(n => n.OpType == "Conv"), Convolutions(whole));
        // The bounds of a slice, four of eight bytes, and the number one half.
        Assert.AreEqual(plain.CutAt(plain.Card.Taps[^1].Name).WeightBytes + 36, whole.WeightBytes);
        Assert.AreEqual(Backbone.InputName, whole.Inputs.Single().Name);
    }

    /// <summary>A row in the cache of the network alone must never be taken for one of both.</summary>
    [TestMethod]
    public void Extract_CacheOfTheNetworkAlone_IsNotUsed()
    {
        using SideNetworks task = new SideNetworks(4).Add("net", 1);
        Backbone plain = Open(task, "net"),
            flipped = MirroredNetwork.Of(plain, TestTimeAugmentation.Flip);
        DataItem[] items = [.. Pairs(task).Select(p => p.Image)];
        string cache = task.File("features");
        ItemRows alone = Rows(plain, items, cache),
            first = Rows(flipped, items, cache),
            second = Rows(flipped, items, cache);
        Assert.AreEqual(0, first.FromCache);
        Assert.AreEqual(items.Length, second.FromCache);
        CollectionAssert.AreEqual(first.Values, second.Values);
        Assert.AreEqual(items.Length, Rows(plain, items, cache).FromCache);
        CollectionAssert.AreEqual(alone.Values, Rows(plain, items, cache).Values);
        Assert.AreNotEqual(plain.Digest, flipped.Digest);
        Assert.AreNotEqual(plain.Card.Digest(), flipped.Card.Digest());
        Assert.AreSame(plain, MirroredNetwork.Of(plain, TestTimeAugmentation.None));
    }

    /// <summary>A row of features takes the same memory to read as before; only one network has weights.</summary>
    [TestMethod]
    public void ImagesPerRun_FlipOfResNet18_RunsAsManyTogether()
    {
        Backbone flipped = MirroredNetwork.Of(
            new BackboneStore(BackboneCatalog.Default).Open("resnet18"),
            TestTimeAugmentation.Flip
        );
        Assert.AreEqual(
            4,
            FeatureGraph.ItemsPerRun(FeatureGraph.Build(flipped.LoadModel(), flipped.Card.Tap().Tensor))
        );
    }

    [TestMethod]
    [DataRow("net", "net-flip")]
    [DataRow("net,other", "net-flip+other-flip")]
    public void Train_Flip_SavedModelScoresAsEvaluatedAndMirrorsAlike(string backbone, string id)
    {
        using SideNetworks task = new SideNetworks().Add("net", 1).Add("other", 2, "imagenet");
        string[] files =
        [
            .. Directory.GetFiles(task.Images, "*.bmp", SearchOption.AllDirectories).Order(StringComparer.Ordinal),
        ];
        string[] Lines(Func<int, bool> which, string split) =>
            [
                .. files
                    .Where((_, i) => which(i))
                    .Select(f => $"{f},{Path.GetFileName(Path.GetDirectoryName(f))},{split}"),
            ];
        string[] test = Lines(i => i % 4 == 0, "test");
        File.WriteAllLines(task.File("all.csv"), ["path,label,split", .. Lines(i => i % 4 > 0, "train"), .. test]);
        File.WriteAllLines(task.File("test.csv"), ["path,label,split", .. test]);
        TrainSummary summary = task.Run(
            task.Options(backbone) with
            {
                Folder = task.File("all.csv"),
                Folds = null,
                TestTimeAugmentation = TestTimeAugmentation.Flip,
            }
        );
        Assert.AreEqual(id, summary.Backbone);
        Assert.IsTrue(summary.Notes.Any(n => n.Contains("mirror image", StringComparison.Ordinal)));
        EvaluationFigures found = new EvaluateJob(
            new EvaluateOptions { Model = summary.Model, Folder = task.File("test.csv") }
        )
            .Run()
            .Unseen!;
        Assert.AreEqual(10, summary.TestImages);
        Assert.AreEqual(summary.Accuracy, found.Accuracy, 1e-12);
        Assert.AreEqual(summary.LogLoss, found.LogLoss, 1e-4, "head and features run in one graph: other roundings");
        using TransferModel model = TransferModel.Load(summary.Model);
        (DataItem Image, DataItem Mirror)[] pairs = Pairs(task);
        CollectionAssert.AreEqual(
            model.Predict([.. pairs.Select(p => p.Image)]).Values,
            model.Predict([.. pairs.Select(p => p.Mirror)]).Values
        );
    }

    [TestMethod]
    public void Export_Flip_EveryFormatAgreesWithTheModel()
    {
        using SideNetworks task = new SideNetworks().Add("net", 1, "imagenet");
        TrainSummary summary = task.Run(task.Options("net") with { TestTimeAugmentation = TestTimeAugmentation.Flip });
        foreach (string format in (string[])["pixels", "tensor", "fp16", "int8", "torchscript", "dat"])
        {
            // Each is checked on images against the model before it takes its name.
            new ExportJob(
                new ExportOptions
                {
                    Model = summary.Model,
                    Format = format == "dat" ? "torchsharp" : format,
                    Images = [task.Images],
                    Output = task.File($"exported.{format}"),
                    AllowDrift = 0.05,
                    Quantization = new Int8Options { SpeedRounds = 0, AutoFloat = true },
                }
            ).Run();
            Assert.IsTrue(Path.Exists(task.File($"exported.{format}")), format);
        }
    }

    /// <summary>The estimator takes the option as the job does; its chain is saved as stock transformers.</summary>
    [TestMethod]
    public void Save_EstimatorWithFlip_ScoresTheSameOnceLoadedAndMirrorsAlike()
    {
        using SideNetworks task = new(8);
        try
        {
            task.Add("mirrored_net", 1, users: new UserCatalog());
            var context = new MLContext(1);
            IDataView data = context.Data.LoadImageFolder(task.Images);
            ImageClassificationOptions options = new()
            {
                Backbone = "mirrored_net",
                Head = HeadKind.Ridge,
                TestTimeAugmentation = TestTimeAugmentation.Flip,
            };
            TransformerChain<ImageClassificationTransformer> model = Tests.Images.Pipeline(options).Fit(data);
            context.Model.Save(model, data.Schema, task.File("chain.zip"));
            ITransformer loaded = context.Model.Load(task.File("chain.zip"), out _);
            (DataItem Image, DataItem Mirror)[] pairs = Pairs(task);
            float[][] Scores(ITransformer scorer, IEnumerable<DataItem> items) =>
                Tests.Images.Vectors(
                    scorer.Transform(
                        Tests.Images.Rows([
                            .. items.Select(i => new ImagePathRow
                            {
                                ImagePath = ((FileLocation)i.Location).Path,
                                Label = "down",
                            }),
                        ])
                    ),
                    "Score"
                );
            float[][] images = Scores(model, pairs.Select(p => p.Image));
            Assert.AreEqual(
                0,
                Tests.Images.LargestDifference(images, Scores(model, pairs.Select(p => p.Mirror))),
                "a + b is b + a"
            );
            Assert.AreEqual(
                0,
                Tests.Images.LargestDifference(images, Scores(loaded, pairs.Select(p => p.Image))),
                1e-4,
                "float32 sums in another order"
            );
            StringAssert.Contains(
                string.Join(' ', (options with { Strategy = TrainingStrategy.Full }).WithoutEffect(false)),
                "TestTimeAugmentation is for a head on frozen features"
            );
            StringAssert.Contains(string.Join(' ', options.WithoutEffect(true)), "TestTimeAugmentation is for images");
        }
        finally
        {
            new UserCatalog().Remove("mirrored_net");
        }
    }

    /// <summary>A mean over both sides needs an image; the message names the backbone.</summary>
    [TestMethod]
    public void Of_NetworkOfTexts_IsRefusedByName()
    {
        using SideNetworks task = new SideNetworks(1).Add("net", 1);
        Backbone images = Open(task, "net");
        Backbone texts = new(
            images.Card with
            {
                Id = "words",
                Preprocessing = null,
                Content = StatedEncoder.Of(
                    new TextEncoder
                    {
                        Vocabulary = TextVocabulary.Pack(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "word"]),
                        MaxTokens = 8,
                        LowerCase = true,
                        Pooling = TextPooling.Mean,
                    }
                ),
            },
            images.LoadModel(),
            images.Digest
        );
        string said = Assert
            .ThrowsExactly<TransferException>(() => MirroredNetwork.Of(texts, TestTimeAugmentation.Flip))
            .Message;
        StringAssert.Contains(said, "--tta flip mirrors images");
        StringAssert.Contains(said, "'words' takes texts");
    }

    private static int Convolutions(OnnxModel model) => model.Nodes.Count(n => n.OpType == "Conv");

    private static Backbone Open(SideNetworks task, string id) =>
        new BackboneStore(task.Catalog, task.File("cache/backbones")).Open(id);

    private static ItemRows Rows(Backbone backbone, DataItem[] items, string? cache = null)
    {
        using FeatureExtractor extractor = new(backbone, [.. backbone.Card.Taps.Select(t => t.Name)]);
        return extractor.Extract(items, cache);
    }

    private static void CheckMean(Backbone plain, (DataItem Image, DataItem Mirror)[] pairs)
    {
        ItemRows found = Rows(MirroredNetwork.Of(plain, TestTimeAugmentation.Flip), [.. pairs.Select(p => p.Image)]),
            images = Rows(plain, [.. pairs.Select(p => p.Image)]),
            mirrors = Rows(plain, [.. pairs.Select(p => p.Mirror)]);
        Assert.AreEqual(plain.Card.Taps.Sum(t => t.Width), found.Width);
        float largest = images.Values.Max(MathF.Abs);
        Assert.IsGreaterThan(0.01 * largest, images.Values.Zip(mirrors.Values).Max(v => Math.Abs(v.First - v.Second)));
        // A rounding of the sum of two; runs of several images together round no differently.
        for (int i = 0; i < found.Values.Length; i++)
            Assert.AreEqual((images.Values[i] + mirrors.Values[i]) / 2, found.Values[i], 1e-6 * largest);
    }

    private static (DataItem Image, DataItem Mirror)[] Pairs(SideNetworks task) =>
        [
            .. Directory
                .GetFiles(Path.Combine(task.Images, "down"))
                .Order(StringComparer.Ordinal)
                .Take(4)
                .Select(
                    (file, i) =>
                        (
                            new DataItem(file, file),
                            Write(task, $"mirror-{i}.bmp", Mirrored(File.ReadAllBytes(file), 16))
                        )
                ),
        ];

    private static DataItem Write(SideNetworks task, string name, byte[] bytes)
    {
        File.WriteAllBytes(task.File(name), bytes);
        return new DataItem(task.File(name), name);
    }

    /// <summary>A 24-bit bitmap with the pixels of each row in reverse.</summary>
    private static byte[] Mirrored(byte[] file, int size)
    {
        byte[] mirrored = [.. file];
        for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++)
            file.AsSpan(54 + 3 * (size * y + x), 3).CopyTo(mirrored.AsSpan(54 + 3 * (size * y + size - 1 - x)));
        return mirrored;
    }
}
