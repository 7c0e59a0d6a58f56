using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.TorchSharp.Tests;

/// <summary>The engine on libtorch, stepping beside our own: each is the other's oracle.</summary>
[TestClass]
public sealed class EngineTests
{
    private const int Rows = 6,
        Classes = 5,
        Length = 3 * 16 * 16;

    public TestContext TestContext { get; set; } = null!;

    private static Dictionary<string, TrainingOptions> Cases { get; } =
        new()
        {
            ["AdamW, all options"] = Options(new AdamWOptimizer()) with
            {
                ClipNorm = 0.5,
                StartingPointDecay = 0.05,
                AverageDecay = 0.8,
            },
            ["gradient descent with momentum"] = Options(new SgdOptimizer()) with { ClipNorm = 1 },
            ["Nesterov"] = Options(new SgdOptimizer { Nesterov = true }),
            ["plain descent"] = Options(new SgdOptimizer { Momentum = 0 }),
            ["scales and shifts alone"] = Options(new SgdOptimizer()) with
            {
                Groups =
                [
                    new ParameterGroup { Name = "scales", Parameters = ["stem.scale", "one_a.scale", "two_b.scale"] },
                    new ParameterGroup { Name = "shifts", Parameters = ["stem.shift", "down.shift"] },
                ],
            },
            ["statistics of the batch"] = Options(new SgdOptimizer()) with
            {
                BatchNormalization = BatchNormalizationMode.Training,
            },
            ["binary cross-entropy"] = Options(new SgdOptimizer(), new BinaryCrossEntropy()),
            ["squared error"] = Options(new SgdOptimizer(), new MeanSquaredError()),
        };

    public static IEnumerable<object[]> Stepping =>
        Cases.Keys.SelectMany(name =>
            name == "statistics of the batch"
                ?
                [
                    [name, 0],
                ]
                : (IEnumerable<object[]>)
                    [
                        [name, 0],
                        [name, 4],
                    ]
        );

    [ClassInitialize]
    public static void Register(TestContext _) => TorchSharpEngine.Register();

    /// <summary>
    /// Five steps of two groups at different rates, with soft targets and weights of the rows. Sums of float32 in
    /// another order are off by 1e-6 of the largest weight a step; AdamW divides by roots of small numbers.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Stepping))]
    public void Step_BesideOurEngine_GivesTheSameLossesNormsAndWeights(string name, int microBatch)
    {
        InTorch.Require();
        OnnxModel model = SmallNetwork.Build();
        var running = new TrainingSessionOptions { Threads = 1, MicroBatch = microBatch == 0 ? null : microBatch };
        using ITrainingSession ours = Session(TrainingEngines.Default, model, Cases[name], running),
            theirs = Session(TorchSharpEngine.EngineName, model, Cases[name], running);
        for (int step = 0; step < 5; step++)
        {
            StepResult expected = Step(ours, step),
                found = Step(theirs, step);
            Assert.AreEqual(expected.Loss, found.Loss, 2e-5 * Math.Abs(expected.Loss), $"step {step}");
            Assert.AreEqual(expected.GradientNorm, found.GradientNorm, 1e-4 * expected.GradientNorm, $"step {step}");
        }

        Assert.AreEqual(5, theirs.Steps);
        Compare(ours.Parameters(), theirs.Parameters());
        if (Cases[name].AverageDecay is not null)
            Compare(ours.Averages(), theirs.Averages());
        else
            Assert.ThrowsExactly<InvalidOperationException>(() => theirs.Averages());
    }

    [TestMethod]
    public void LoadState_OfAnotherSession_GoesOnWithTheSameBytes()
    {
        InTorch.Require();
        TrainingOptions options = Cases["AdamW, all options"];
        var running = new TrainingSessionOptions { Threads = 1 };
        OnnxModel model = SmallNetwork.Build();
        using ITrainingSession whole = Session(TorchSharpEngine.EngineName, model, options, running),
            resumed = Session(TorchSharpEngine.EngineName, model, options, running);
        Step(whole, 0);
        Step(whole, 1);
        using MemoryStream state = new();
        whole.SaveState(state);
        state.Position = 0;
        resumed.LoadState(state);
        Assert.AreEqual(Step(whole, 2), Step(resumed, 2));
        foreach ((string name, float[] values) in whole.Averages())
            CollectionAssert.AreEqual(values, resumed.Averages()[name], name);
        GraphException error = Assert.ThrowsExactly<GraphException>(() =>
        {
            using ITrainingSession other = Session(
                TorchSharpEngine.EngineName,
                model,
                Cases["gradient descent with momentum"],
                running
            );
            state.Position = 0;
            other.LoadState(state);
        });
        StringAssert.Contains(error.Message, "other options");
    }

    /// <summary>bfloat16 has 8 bits of mantissa: a loss is off by a few thousandths.</summary>
    [TestMethod]
    public void Step_BFloat16_TrainsFloat32Weights()
    {
        InTorch.Require();
        TrainingOptions options = Cases["AdamW, all options"];
        OnnxModel model = SmallNetwork.Build();
        try
        {
            TorchSharpEngine.Register(bfloat16: true);
            using ITrainingSession ours = Session(TrainingEngines.Default, model, options, new()),
                half = Session(TorchSharpEngine.EngineName, model, options, new());
            foreach ((string name, float[] values) in ours.Parameters())
                CollectionAssert.AreEqual(values, half.Parameters()[name], $"{name}: masters are not rounded");
            for (int step = 0; step < 5; step++)
            {
                double expected = Step(ours, step).Loss;
                Assert.AreEqual(expected, Step(half, step).Loss, 0.02 * expected, $"step {step}");
            }

            // 1e-4 is less than a bfloat16 near 0.9 can tell apart: masters of 32 bits keep such steps.
            float[] scale = half.Parameters()["two_b.scale"];
            Assert.IsTrue(scale.Any(v => BitConverter.SingleToUInt32Bits(v) % 65536 != 0));
        }
        finally
        {
            TorchSharpEngine.Register();
        }
    }

    [TestMethod]
    public void Check_WhatIsNotDoneThere_IsRefused()
    {
        InTorch.Require();
        ITrainingEngine engine = TrainingEngines.Find(TorchSharpEngine.EngineName);
        OnnxModel model = SmallNetwork.Build();
        TrainingOptions options = Cases["plain descent"];
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() => engine.Check(model, options with { Dropout = true }, 4))
                .Message,
            "--dropout"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() =>
                    engine.Check(
                        model,
                        options with
                        {
                            Groups = [new ParameterGroup { Name = "g", Parameters = ["stem.mean"] }],
                        },
                        4
                    )
                )
                .Message,
            "'stem.mean' is trained"
        );
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => TrainingEngines.Find("tensorflow")).Message,
            "TorchSharpEngine.Register()"
        );
        string missing = TorchSharpEngine
            .Missing(
                new TypeInitializationException(
                    "torch",
                    new DllNotFoundException(
                        "Unable to load.\nx.so: no such file\nversion `GLIBCXX_3.4.32' not found\n"
                    )
                )
            )
            .Message;
        foreach (
            string part in (string[])
                ["used: version `GLIBCXX_3.4.32' not found. Add", "libtorch-cpu-linux-x64", "libtorch-cuda", "0.107"]
        )
            StringAssert.Contains(missing, part);
        TorchSharpEngine.Register("cuda");
        try
        {
            if (!global::TorchSharp.torch.cuda.is_available())
                StringAssert.Contains(
                    Assert
                        .ThrowsExactly<TransferException>(() =>
                            TrainingEngines.Find(TorchSharpEngine.EngineName).Check(model, options, 4)
                        )
                        .Message,
                    "libtorch-cuda"
                );
        }
        finally
        {
            TorchSharpEngine.Register();
        }
    }

    /// <summary>A whole job: the same images and options on both engines give weights that differ by rounding.</summary>
    [TestMethod]
    public void TrainJob_OnLibtorch_GivesTheModelOfOurEngineButForRounding()
    {
        InTorch.Require();
        var options = new TrainOptions
        {
            Folder = Trained.Photos,
            Output = Trained.At("ours"),
            CacheFolder = Trained.At("cache"),
            Strategy = TrainingStrategy.FineTune,
            TestFraction = 0.3,
            L2 = 1e-3,
            Head = HeadKind.Softmax,
            FineTune = new FineTuneOptions
            {
                Freeze = FreezeBoundary.OfFraction(0.9),
                Epochs = 2,
                Draws = 1,
                LearningRate = 1e-4,
                Threads = 2,
            },
        };
        TrainSummary ours = new TrainJob(options).Run();
        TrainSummary theirs = new TrainJob(
            options with
            {
                Output = Trained.At("theirs"),
                FineTune = options.FineTune with { Engine = TorchSharpEngine.EngineName },
            }
        ).Run();
        StringAssert.StartsWith(ours.Training!.Engine, "onnxruntime 1.");
        StringAssert.StartsWith(theirs.Training!.Engine, "torchsharp 0.107.0, libtorch 2.10.0");
        Assert.AreNotEqual(ours.TrainingDigest, theirs.TrainingDigest, "results depend on the engine");
        EpochResult[] expected = [.. ours.Training.Metrics],
            found = [.. theirs.Training.Metrics];
        Assert.HasCount(found.Length, expected);
        Assert.IsGreaterThan(2, expected.Length, "the start and two epochs");
        for (int e = 1; e < expected.Length; e++)
            if (expected[e].TrainLoss is { } loss)
                Assert.AreEqual(loss, found[e].TrainLoss!.Value, 1e-3, $"line {e}");
        Dictionary<string, float[]> home = OnnxModel
            .Load(Trained.At("ours/model.onnx"))
            .Initializers.Where(i => i.DataType == 1)
            .ToDictionary(i => i.Name, TensorData.ToFloats);
        foreach (var initializer in OnnxModel.Load(Trained.At("theirs/model.onnx")).Initializers)
            if (home.TryGetValue(initializer.Name, out float[]? own) && own.Length > 10_000)
            {
                double scale = own.Max(Math.Abs);
                float[] other = TensorData.ToFloats(initializer);
                Assert.IsLessThan(
                    0.01 * scale,
                    own.Zip(other, (a, b) => Math.Abs((double)a - b)).Max(),
                    initializer.Name
                );
            }

        TestContext.WriteLine($"{ours.Seconds:f1} s on our engine, {theirs.Seconds:f1} s on libtorch");
    }

    private static TrainingOptions Options(TrainingOptimizer optimizer, TrainingLoss? loss = null) =>
        new()
        {
            Objectives =
            [
                loss is null ? new Objective { Logits = "logits" } : new Objective { Logits = "logits", Loss = loss },
            ],
            Groups =
            [
                new ParameterGroup
                {
                    Name = "kernels",
                    Parameters = ["two_b.weight", "down.weight", "fc"],
                    WeightDecay = 0.1,
                },
                new ParameterGroup { Name = "norms", Parameters = ["two_b.scale", "two_b.shift", "one_a.shift"] },
            ],
            Optimizer = optimizer,
        };

    private static ITrainingSession Session(
        string engine,
        OnnxModel model,
        TrainingOptions options,
        TrainingSessionOptions running
    )
    {
        ITrainingEngine found = TrainingEngines.Find(engine);
        found.Check(model, options, Rows);
        return found.CreateSession(model, options, running);
    }

    private static StepResult Step(ITrainingSession session, int step)
    {
        var rng = new Rng(step);
        float[] inputs = [.. Enumerable.Range(0, Rows * Length).Select(_ => (float)rng.NextNormal())],
            targets = new float[Rows * Classes];
        for (int row = 0; row < Rows; row++)
        for (int c = 0; c < Classes; c++)
            targets[row * Classes + c] = c == (row + step) % Classes ? 0.92f : 0.02f;
        float[] weights = [.. Enumerable.Range(0, Rows).Select(row => 0.5f + 0.3f * row)];
        return session.Step(inputs, targets, weights, 0.003f, 0.001f);
    }

    private static void Compare(
        IReadOnlyDictionary<string, float[]> expected,
        IReadOnlyDictionary<string, float[]> found
    )
    {
        CollectionAssert.AreEquivalent(expected.Keys.ToArray(), found.Keys.ToArray());
        foreach ((string name, float[] values) in expected)
        {
            double scale = values.Max(Math.Abs),
                difference = values.Zip(found[name], (e, f) => Math.Abs((double)e - f)).Max();
            Assert.IsLessThan(1e-4 * scale, difference, name);
        }
    }
}
