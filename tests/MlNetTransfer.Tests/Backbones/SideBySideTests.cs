using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Backbones.Onnx;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Backbones;

/// <summary>
/// Two small networks whose nodes, tensors and weights have the same names, written for different operator sets, with
/// different means and deviations. Oracle: ONNX Runtime on each network as it was before, fed with (x - mean) /
/// deviation computed in double precision.
/// </summary>
[TestClass]
public sealed class SideBySideTests
{
    private static readonly double[] Mean = [0.485, 0.456, 0.406],
        Deviation = [0.229, 0.224, 0.225];

    [TestMethod]
    public void Open_TwoNetworks_GiveTheNumbersOfEach()
    {
        using Networks two = new();
        Backbone both = two.Open("a", "b");
        Assert.AreEqual("a+b", both.Card.Id);
        CollectionAssert.AreEqual(
            new[] { "a/vector_1", "b/vector_1" },
            both.DefaultTaps().ToArray(),
            "each network's own default"
        );
        OnnxModel features = FeatureGraph.Build(both.LoadModel(), "a/relu2", "b/relu3");
        Assert.AreEqual(Backbone.InputName, features.Inputs.Single().Name);
        float[] pixels = Pixels();
        float[] found = Ort.Run(features, (Backbone.InputName, pixels, [1, 3, TinyOnnx.Size, TinyOnnx.Size]))[
            FeatureGraph.Output
        ];
        float[] expected =
        [
            .. Alone(two.A, "relu2", pixels),
            .. Alone(two.B, "relu3", [.. pixels.Select((x, i) => (float)((x - Mean[i / 256]) / Deviation[i / 256]))]),
        ];
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found[i], 1e-5, "float32 sums of 36 and 72 products near 1");
    }

    /// <summary>
    /// Bit for bit, since (x - mean) / deviation of the graph rounds as the table of the encoder does.
    /// </summary>
    [TestMethod]
    public void Extract_TwoNetworks_RowsAreThoseOfEachAndShareTheirCaches()
    {
        using Networks two = new();
        DataItem[] items = two.Items();
        string cache = two.File("features");
        ItemRows a = Rows(two.Open("a"), items, cache),
            b = Rows(two.Open("b"), items, cache),
            both = Rows(two.Open("a", "b"), items, cache);
        Assert.AreEqual(items.Length, both.FromCache, "each network alone has filled the caches");
        using var graph = new ItemGraph(
            FeatureGraph
                .Build(two.Open("a", "b").LoadModel(), [.. two.Open("a", "b").Card.Taps.Select(t => t.Tensor)])
                .ToBytes(),
            FeatureGraph.Output,
            two.Open("a", "b").Card.Encoder
        );
        ItemRows joint = new ItemRunner(graph).Run(items, "joint");
        for (int row = 0; row < items.Length; row++)
        {
            float[] expected = [.. a.Row(row), .. b.Row(row)];
            CollectionAssert.AreEqual(expected, both.Row(row).ToArray());
            CollectionAssert.AreEqual(expected, joint.Row(row).ToArray(), "one graph");
        }
    }

    [TestMethod]
    public void Extract_TapsOfBothInAnyOrder_AreInThatOrder()
    {
        using Networks two = new();
        DataItem[] items = two.Items();
        Backbone both = two.Open("a", "b");
        float[] Row(params string[] taps)
        {
            using var extractor = new FeatureExtractor(both, taps);
            return extractor.Extract(items).Row(1).ToArray();
        }

        CollectionAssert.AreEqual(
            (float[])[.. Row("b/vector_1"), .. Row("a/map8_1"), .. Row("b/map8_1")],
            Row("b/vector_1", "a/map8_1", "b/map8_1")
        );
    }

    [TestMethod]
    [DataRow(16, 1)]
    [DataRow(24, 2)]
    public void Train_TwoNetworks_IsOneFileThatScoresAlone(int size, int inputs)
    {
        using Networks two = new(size);
        TrainSummary summary = two.Train("a,b", o => o with { Head = MlNetTransfer.Heads.HeadKind.Ridge });
        Assert.AreEqual("a+b", summary.Backbone);
        Assert.AreEqual(1, summary.Accuracy, "three colours");
        using TransferModel model = TransferModel.Load(summary.Model);
        Assert.HasCount(inputs, OnnxModel.Load(summary.Model).Inputs);
        Assert.HasCount(inputs, model.Metadata.Encoder.Inputs);
        ItemRows found = model.Predict(two.Items());
        for (int row = 0; row < found.Accepted.Length; row++)
            Assert.AreEqual(two.Items()[row].Label, ParityRecord.Likeliest(found.Row(row)));
        if (inputs == 1)
        {
            Assert.AreEqual(new MlNetTransfer.Imaging.ChannelValues(0, 0, 0), model.Metadata.Preprocessing.Mean);
            return;
        }

        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => model.Metadata.Preprocessing).Message,
            "2 forms"
        );
        TransferException refused = Assert.ThrowsExactly<TransferException>(() =>
            new ExportJob(
                new ExportOptions
                {
                    Model = summary.Model,
                    Format = "pixels",
                    Images = [two.File("images")],
                    Output = two.File("pixels.onnx"),
                }
            ).Run()
        );
        StringAssert.Contains(refused.Message, "2 forms");
    }

    /// <summary>One network sees the colours, the other gives the same numbers for every image.</summary>
    [TestMethod]
    public void Train_Auto_ChoosesTheNetworkThatSeesInEveryFoldAndSaysSo()
    {
        using Networks two = new(blind: true);
        TrainSummary summary = two.Train("auto", o => o with { Backbones = ["b", "a"], Folds = 3 });
        Assert.AreEqual("a", summary.Backbone);
        CollectionAssert.AreEqual(new[] { "a", "a", "a" }, summary.FoldBackbones.ToArray());
        Assert.IsFalse(summary.Taps.Any(tap => tap.Contains('/')), "the taps of one network have their own names");
        Assert.AreEqual("a", TransferModel.Load(summary.Model).Metadata.Backbone);
        LeaderboardRow[] rows = [.. summary.Leaderboard];
        CollectionAssert.AreEquivalent(
            new[] { "a", "b", "b+a" },
            rows.Select(row => row.Backbone).Distinct().ToArray()
        );
        Assert.AreEqual("a", rows.Single(row => row.Taken).Backbone);
        foreach (LeaderboardRow row in rows)
        {
            Assert.AreEqual(row.Accuracy - rows[0].Accuracy, row.Difference, 1e-12, "the same rows");
            Assert.IsTrue(row.DifferenceInterval[0] <= row.Difference && row.Difference <= row.DifferenceInterval[1]);
            Assert.IsGreaterThan(0, row.Milliseconds);
        }

        Assert.AreEqual(1.0 / 3, rows.First(row => row.Backbone == "b").Accuracy, 0.2, "guessing among three classes");
    }

    [TestMethod]
    public void Train_BudgetOfNothing_NamesTheFastest()
    {
        using Networks two = new();
        string message = Refusal(two, "auto", o => o with { Backbones = ["a", "b"], MaxMilliseconds = 1e-3 });
        StringAssert.Contains(message, "--max-ms 0.001");
        StringAssert.Contains(message, "ms per image");
    }

    [TestMethod]
    public void Train_WhatCannotBe_IsRefusedByName()
    {
        using Networks two = new();
        StringAssert.Contains(Refusal(two, "a,b,a", o => o), "'a' is given 2 times");
        StringAssert.Contains(Refusal(two, "a,c", o => o), "no backbone 'c'");
        StringAssert.Contains(
            Refusal(two, "a,b", o => o with { Strategy = TrainingStrategy.FineTune }),
            "trains one network"
        );
        StringAssert.Contains(
            Refusal(two, "a,b", o => o with { FineTune = new() { InitialWeights = "w.safetensors" } }),
            "one network"
        );
        StringAssert.Contains(
            Refusal(two, "a,b", o => o with { Head = MlNetTransfer.Heads.HeadKind.Neighbours }),
            "neighbours"
        );
        StringAssert.Contains(Refusal(two, "a,b", o => o with { Taps = ["map8_1"] }), "a/map8_1");
    }

    private static string Refusal(Networks two, string backbone, Func<TrainOptions, TrainOptions> change) =>
        Assert.ThrowsExactly<TransferException>(() => two.Train(backbone, change)).Message;

    private static ItemRows Rows(Backbone backbone, DataItem[] items, string cache)
    {
        using var extractor = new FeatureExtractor(backbone, Names(backbone));
        return extractor.Extract(items, cache);
    }

    private static string[] Names(Backbone backbone) => [.. backbone.Card.Taps.Select(t => t.Name)];

    private static float[] Alone(OnnxModel model, string tensor, float[] input) =>
        Ort.Run(FeatureGraph.Build(model, tensor), ("pixels", input, [1, 3, TinyOnnx.Size, TinyOnnx.Size]))[
            FeatureGraph.Output
        ];

    private static float[] Pixels()
    {
        Rng rng = new(5);
        return [.. Enumerable.Range(0, 3 * 256).Select(_ => rng.Next(256) / 255f)];
    }

    /// <summary>The networks a and b in a catalog of the user, and images of three colours.</summary>
    private sealed class Networks : IDisposable
    {
        private readonly TempFolder folder = new();
        private readonly BackboneCatalog catalog;

        public Networks(int size = TinyOnnx.Size, bool blind = false)
        {
            A = TinyOnnx.Model();
            B = TinyOnnx
                .Model(input: ["N", 3, size, size])
                .With(proto =>
                {
                    proto.OpsetImport[0].Version = 11;
                    foreach (var weights in proto.Graph.Initializer.ToArray())
                    {
                        float[] values = TensorData.ToFloats(weights);
                        proto.Graph.Initializer.Remove(weights);
                        proto.Graph.Initializer.Add(
                            TensorData.Floats(
                                weights.Name,
                                [.. values.Select(v => blind ? 0 : -0.7f * v + 0.01f)],
                                [.. weights.Dims]
                            )
                        );
                    }
                });
            var users = new UserCatalog(folder.File("home"));
            Add(users, "a", A, TinyOnnx.Unit);
            Add(users, "b", B, TinyOnnx.With("imagenet", size));
            catalog = BackboneCatalog.Shipped.With(users.Read());
            Rng rng = new(1);
            foreach (string name in (string[])["blue", "green", "red"])
                for (int i = 0; i < 12; i++)
                    folder.Write(
                        $"images/{name}/{i}.bmp",
                        Bmp.Plain(Channel(name == "red"), Channel(name == "green"), Channel(name == "blue"), 8 + i)
                    );

            byte Channel(bool strong) => (byte)((strong ? 170 : 10) + rng.Next(80));
        }

        public OnnxModel A { get; }

        public OnnxModel B { get; }

        public string File(string name) => folder.File(name);

        public Backbone Open(params string[] ids) => new BackboneStore(catalog, folder.File("backbones")).Open(ids);

        public DataItem[] Items() => [.. DatasetReader.Read(folder.File("images")).Items];

        public TrainSummary Train(string backbone, Func<TrainOptions, TrainOptions> change) =>
            new TrainJob(
                change(
                    new TrainOptions
                    {
                        Folder = folder.File("images"),
                        Output = folder.File("out"),
                        Backbone = backbone,
                        CacheFolder = folder.File("cache"),
                        Workers = 2,
                    }
                ),
                new JobServices { Catalog = catalog }
            ).Run();

        public void Dispose() => folder.Dispose();

        private void Add(
            UserCatalog users,
            string id,
            OnnxModel model,
            MlNetTransfer.Backbones.Onnx.OnnxInspectionOptions how
        )
        {
            model.Save(folder.File($"{id}.onnx"));
            users.Add(
                new NewBackbone
                {
                    Source = folder.File($"{id}.onnx"),
                    Id = id,
                    Inspection = how,
                }
            );
        }
    }
}
