using MlNetTransfer.Backbones;
using MlNetTransfer.Encoders;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Tests.Encoders;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training;

/// <summary>Training of encoders of texts: a step against PyTorch, and whole runs.</summary>
[TestClass]
public sealed class TextTrainingTests
{
    private const float Rate = 0.1f;

    private static readonly string[] Texts = ["The oven, slowly!", "rain", "a violin with drums = choir, tempo"];

    private static readonly long[] Labels = [0, 2, 1];

    private static readonly Lazy<TinyBert> Plain = new(() => new TinyBert());

    [ClassCleanup]
    public static void Delete()
    {
        if (Plain.IsValueCreated)
            Plain.Value.Dispose();
    }

    /// <summary>
    /// Loss, and all features of the network after one step of SGD on a padded batch: every trained weight is in them.
    /// </summary>
    [TestMethod]
    [DataRow(0, "plain")]
    [DataRow(1, "plain")]
    [DataRow(2, "plain")]
    [DataRow(1, "fixed")]
    public void Step_PaddedTexts_IsThatOfPyTorch(int frozenLayers, string form)
    {
        var random = new Random(5);
        float[][] weights =
        [
            .. Enumerable
                .Range(0, 3)
                .Select(_ => Enumerable.Range(0, TinyBert.Width).Select(_ => random.NextSingle() - 0.5f).ToArray()),
        ];
        float[] bias = [0.1f, -0.2f, 0.3f];
        using var home = new TempFolder();
        using var bert = new TinyBert(
            form,
            Texts,
            new
            {
                labels = Labels,
                weights,
                bias,
                rate = Rate,
                frozen = frozenLayers,
            }
        );
        Backbone backbone = new BackboneStore(bert.AddTo(home), home.File("cache")).Open("tiny");
        var encoder = (TextEncoder)backbone.Card.Encoder;
        OnnxModel model = backbone.LoadModel();
        int length = TextNetwork.Length(model, encoder, TextBackboneTests.Items(Texts), new());
        Assert.AreEqual(16, length, "the next multiple of eight, or what is fixed");
        Assert.IsInRange(9, 16, bert.Said.Max(said => said.Tokens.Length));

        // A layer is two blocks: attention, and what follows it.
        string tap = backbone.Card.Tap().Tensor;
        FineTunePlan plan = FineTunePlan.Of(
            TextNetwork.Of(model, length),
            [tap],
            TinyBert.Width,
            FreezeBoundary.OfBlocks(2 * frozenLayers)
        );
        Assert.HasCount(2 * TinyBert.Layers, plan.Blocks);
        using TrainingSession session = Session(plan, [.. weights.SelectMany(w => w)], bias);
        var targets = new float[9];
        for (int i = 0; i < 3; i++)
            targets[(i * 3) + (int)Labels[i]] = 1;
        float[] rows = Rows(plan, new TokenNumbers(encoder, length));
        StepResult step = session.Step(rows, targets, [1f, 1, 1], [Rate]);

        Assert.AreEqual(bert.Said[0].Loss!.Value, step.Loss, 1e-5, "float32 sums in another order");
        OnnxModel trained = model.WithInitializers(
            session.Parameters().Where(p => p.Key != plan.HeadWeight && p.Key != plan.HeadBias).ToDictionary()
        );
        string[] tensors = [.. backbone.Card.Taps.Select(t => t.Tensor)];
        using var graph = new ItemGraph(FeatureGraph.Build(trained, tensors).ToBytes(), FeatureGraph.Output, encoder);
        ItemRows found = new ItemRunner(graph).Run(TextBackboneTests.Items(Texts), "");
        for (int i = 0; i < 3; i++)
        for (int layer = 0; layer < TinyBert.Layers; layer++)
        for (int d = 0; d < TinyBert.Width; d++)
            Assert.AreEqual(
                bert.Said[i].Mean[layer][d],
                found.Row(i)[(layer * TinyBert.Width) + d],
                1e-4f,
                $"text {i}, layer {layer + 1}: features of the step differ by its gradients' rounding, some 1e-5"
            );
    }

    [TestMethod]
    [DataRow("finetune")]
    [DataRow("full")]
    [DataRow("scratch")]
    public void Run_NetworkOfTexts_IsTrainedAndWritten(string strategy)
    {
        using var folder = new TempFolder();
        var services = new JobServices { Catalog = Plain.Value.AddTo(folder) };
        string list = TextJobTests.List(folder, "train.csv", 20, seed: 1);
        TrainOptions options = TextJobTests.Options(folder, list) with
        {
            Strategy = TrainingStrategy.All.Find(strategy),
            FineTune = new FineTuneOptions { Epochs = 3, BatchSize = 16 },
            TestFraction = 0.3,
        };
        TrainSummary trained = new TrainJob(options, services).Run();
        Assert.AreEqual(2 * TinyBert.Layers, trained.Training!.Blocks);
        Assert.AreEqual(strategy == "finetune" ? TinyBert.Layers : 0, trained.Training.FrozenBlocks);
        if (strategy != "scratch")
            Assert.IsGreaterThan(0.9, trained.Accuracy, "as with the head alone: the topics' words differ");
        double[] losses =
        [
            .. trained.Training.Metrics.Where(m => m.TrainLoss is not null).Select(m => m.TrainLoss!.Value),
        ];
        Assert.IsLessThan(losses[0], losses[2], "each epoch fits the same texts better");
        PredictionSummary said = new PredictJob(
            new PredictOptions
            {
                Model = trained.Model,
                Images = [],
                Texts = ["rain"],
            }
        ).Run();
        Assert.HasCount(1, said.Predictions);
        Assert.AreEqual(1, said.Predictions[0].Top.Sum(t => t.Probability), 1e-5, "probabilities of three classes");
    }

    [TestMethod]
    public void Check_AugmentationOfTexts_IsRefused()
    {
        using var folder = new TempFolder();
        var services = new JobServices { Catalog = Plain.Value.AddTo(folder) };
        folder.Write("files/a/1.txt", "a"u8.ToArray());
        folder.Write("files/a/2.txt", "b"u8.ToArray());
        folder.Write("files/b/1.txt", "c"u8.ToArray());
        folder.Write("files/b/2.txt", "d"u8.ToArray());
        TrainOptions options = TextJobTests.Options(folder, folder.File("files")) with
        {
            Dataset = new(),
            Strategy = TrainingStrategy.Full,
            FineTune = new FineTuneOptions { Augmentation = AugmentationPreset.Light },
        };
        TransferException error = Assert.ThrowsExactly<TransferException>(() => new TrainJob(options, services).Run());
        StringAssert.Contains(error.Message, "--augment varies images; the backbone 'tiny' takes texts");
    }

    private static TrainingSession Session(FineTunePlan plan, float[] weights, float[] bias)
    {
        var group = new ParameterGroup
        {
            Name = "all",
            Parameters = [.. plan.Trained.SelectMany(p => p), plan.HeadWeight, plan.HeadBias],
        };
        return new TrainingSession(
            plan.Forward(weights, bias),
            new TrainingOptions
            {
                Objectives = [new Objective { Logits = plan.Logits }],
                Groups = [group],
                Optimizer = new SgdOptimizer { Momentum = 0 },
                ClipNorm = null,
            },
            new TrainingSessionOptions()
        );
    }

    /// <summary>The texts at the boundary: their token numbers, or what the frozen layers make of them.</summary>
    private static float[] Rows(FineTunePlan plan, TokenNumbers numbers)
    {
        if (plan.Network.Prefix is { } prefix)
        {
            using var graph = new ItemGraph(prefix.ToBytes(), SplitNetwork.Boundary, numbers);
            return new ItemRunner(graph).Run(TextBackboneTests.Items(Texts), "").Values;
        }

        using EncoderWorker worker = numbers.CreateWorker(new());
        var rows = new Onnx.Runtime.RowTensor<float>("rows", Texts.Length, numbers.Length);
        for (int i = 0; i < Texts.Length; i++)
            worker.Encode(System.Text.Encoding.UTF8.GetBytes(Texts[i]), new EncodedItem([rows], i));
        return [.. Enumerable.Range(0, Texts.Length).SelectMany(i => rows[i].ToArray())];
    }
}
