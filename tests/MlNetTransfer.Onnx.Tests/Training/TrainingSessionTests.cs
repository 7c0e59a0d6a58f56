using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Onnx.Tests.Training;

[TestClass]
public sealed class TrainingSessionTests
{
    internal static readonly float[] X = Draw(1, 6 * 2 * 5 * 5),
        T =

        [
            .. Enumerable
                .Range(0, 6)
                .SelectMany(i => new[] { i % 3 == 0 ? 1f : 0, i % 3 == 1 ? 1 : 0, i % 3 == 2 ? 1 : 0 }),
        ];

    /// <summary>
    /// Everything that lives from step to step: moments, averages, running statistics, dropout's count of steps.
    /// </summary>
    internal static readonly TrainingOptions Everything = Options("w", "s", "b", "f") with
    {
        Optimizer = new AdamWOptimizer(),
        AverageDecay = 0.9,
        BatchNormalization = BatchNormalizationMode.Training,
        Dropout = true,
        ClipNorm = 1,
    };

    [TestMethod]
    public void Step_Twice_GivesEqualBytes() =>
        CollectionAssert.AreEqual(Train(Everything, 4, null), Train(Everything, 4, null));

    [TestMethod]
    public void LoadState_InTheMiddle_GivesTheSameBytes() =>
        CollectionAssert.AreEqual(Train(Everything, 6, null), Train(Everything, 6, interruptAfter: 3));

    [TestMethod]
    public void SaveState_BeforeAnyStep_IsTheModel()
    {
        using TrainingSession session = new(Network(), Everything);
        using MemoryStream saved = new();
        session.SaveState(saved);
        session.Step(X, T, [], 0.1f);
        saved.Position = 0;
        session.LoadState(saved);
        Assert.AreEqual(0, session.Steps);
        foreach ((string name, float[] values) in session.Parameters())
            CollectionAssert.AreEqual(
                TensorData.ToFloats(Network().Initializers.First(i => i.Name == name)),
                values,
                name
            );
    }

    [TestMethod]
    public void LoadState_OfAnotherModelOrDamaged_IsRefusedAndChangesNothing()
    {
        using TrainingSession session = new(Network(), Everything),
            other = new(Network(), Options("f"));
        using MemoryStream saved = new(),
            good = new();
        session.Step(X, T, [], 0.1f);
        session.SaveState(good);
        other.SaveState(saved);
        saved.Position = 0;
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => session.LoadState(saved)).Message,
            "another model or other options"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() => session.LoadState(new MemoryStream(good.ToArray()[..^5])))
                .Message,
            "cut short"
        );
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => session.LoadState(new MemoryStream(new byte[40]))).Message,
            "not a training state"
        );
        using MemoryStream after = new();
        session.SaveState(after);
        CollectionAssert.AreEqual(good.ToArray(), after.ToArray());
    }

    /// <summary>
    /// Rows of weight 0 change nothing, so six rows of which two count equal those two: one session, two batch sizes.
    /// Sums of different length round differently: 1e-6.
    /// </summary>
    [TestMethod]
    public void Step_RowsOfWeightZero_CountNothing()
    {
        TrainingOptions options = Options("w", "s", "b", "f");
        using TrainingSession six = new(Network(), options),
            two = new(Network(), options);
        for (int step = 0; step < 3; step++)
        {
            StepResult a = six.Step(X, T, [1, 3, 0, 0, 0, 0], 0.1f),
                b = two.Step(X.AsSpan(0, 100), T.AsSpan(0, 6), [0.5f, 1.5f], 0.1f);
            Assert.AreEqual(b.Loss, a.Loss, 1e-6);
        }

        foreach ((string name, float[] values) in two.Parameters())
            for (int i = 0; i < values.Length; i++)
                Assert.AreEqual(values[i], six.Parameters()[name][i], 1e-6, name);
    }

    /// <summary>
    /// The graphs of two batch sizes share parameters: a step of each equals the same steps in another session.
    /// </summary>
    [TestMethod]
    public void Step_LastSmallerBatch_SharesParameters()
    {
        using TrainingSession session = new(Network(), Options("w", "f"));
        session.Step(X, T, [], 0.1f);
        float before = session.Parameters()["w"][0];
        session.Step(X.AsSpan(0, 50), T.AsSpan(0, 3), [], 0.1f);
        Assert.AreNotEqual(before, session.Parameters()["w"][0]);
        Assert.AreEqual(2, session.Steps);
    }

    /// <summary>
    /// Three layers whose running statistics start equal: those of the second are shift and scale² of the first, those
    /// of the third of the second, since each is fed with what the one below has normalised. ONNX Runtime makes one
    /// constant of equal ones, and would write all three into the same memory. The epsilon of 1e-5 and rounding: 1e-4.
    /// </summary>
    [TestMethod]
    public void Step_EqualLayersInTrainingMode_EachKeepItsOwnStatistics()
    {
        GraphBuilder graph = new GraphBuilder("chain").Input("x", ["N", 2]);
        for (int layer = 0; layer < 3; layer++)
        {
            graph
                .Initializer($"scale{layer}", [2f + layer, 3f + layer], 2)
                .Initializer($"shift{layer}", [5f + layer, 7f + layer], 2)
                .Initializer($"mean{layer}", [0f, 0], 2)
                .Initializer($"var{layer}", [1f, 1], 2)
                .Node(
                    "BatchNormalization",
                    [
                        layer == 0 ? "x" : $"y{layer - 1}",
                        $"scale{layer}",
                        $"shift{layer}",
                        $"mean{layer}",
                        $"var{layer}",
                    ],
                    [$"y{layer}"],
                    Attributes.Of("momentum", 0.75f)
                );
        }

        using TrainingSession session = new(
            graph.Output("y2", ["N", 2]).Build(),
            new TrainingOptions
            {
                Objectives = [new Objective { Logits = "y2" }],
                Groups =
                [
                    new ParameterGroup
                    {
                        Name = "all",
                        Parameters = ["scale0", "shift0", "scale1", "shift1", "scale2", "shift2"],
                    },
                ],
                BatchNormalization = BatchNormalizationMode.Training,
            }
        );
        session.Step([1, 2, 4, 2, 1, 6, 2, 6], [1, 0, 0, 1, 1, 0, 0, 1], [], 0);
        IReadOnlyDictionary<string, float[]> after = session.Parameters();
        Near([0.25f * 2, 0.25f * 4], after["mean0"]);
        Near([0.75f + 0.25f * 6 / 3, 0.75f + 0.25f * 16 / 3], after["var0"]);
        Near([0.25f * 5, 0.25f * 7], after["mean1"]);
        Near([0.75f + 0.25f * 4 * 4 / 3, 0.75f + 0.25f * 9 * 4 / 3], after["var1"]);
        Near([0.25f * 6, 0.25f * 8], after["mean2"]);
        Near([0.75f + 0.25f * 9 * 4 / 3, 0.75f + 0.25f * 16 * 4 / 3], after["var2"]);

        static void Near(float[] expected, float[] actual)
        {
            for (int i = 0; i < expected.Length; i++)
                Assert.AreEqual(expected[i], actual[i], 1e-4);
        }
    }

    [TestMethod]
    public void WithInitializers_TrainedValues_ModelComputesTheSessionsLogits()
    {
        using TrainingSession session = new(Network(), Options("w", "s", "b", "f"));
        session.Step(X, T, [], 0.1f);
        OnnxModel trained = Network().WithInitializers(session.Parameters());
        session.Step(X, T, [], 0.1f);
        float[] logits = MlNetTransfer.Tests.Shared.Ort.Run(trained, ("x", X, [6, 2, 5, 5]))["logits"];
        for (int i = 0; i < logits.Length; i++)
            Assert.AreEqual(logits[i], session.Logits[i], 1e-5);
    }

    /// <summary>
    /// A mask keeps 1 - ratio of the values, scaled so that the mean stays 1; 3 % is six standard errors of 4,000
    /// draws.
    /// </summary>
    [TestMethod]
    public void DropoutMask_Fill_KeepsTheMean()
    {
        DropoutMask mask = new("m", [4000], 0.25f);
        float[] a = new float[4000],
            b = new float[4000];
        mask.Fill(a, 1, 5, 0);
        mask.Fill(b, 1, 6, 0);
        Assert.AreEqual(0.75, a.Count(v => v > 0) / 4000.0, 0.03);
        Assert.IsTrue(a.All(v => v is 0 or (1 / 0.75f)));
        Assert.IsTrue(a.Zip(b, (u, v) => u == v ? 0 : 1).Sum() > 1000);
    }

    [TestMethod]
    public void Step_WithDropout_DropsAndRepeats()
    {
        TrainingOptions options = Options("f") with { Dropout = true };
        using TrainingSession first = new(Network(), options, new() { Seed = 1 }),
            second = new(Network(), options, new() { Seed = 2 }),
            without = new(Network(), Options("f"));
        float a = first.Step(X, T, [], 0).Loss,
            b = second.Step(X, T, [], 0).Loss,
            c = without.Step(X, T, [], 0).Loss,
            next = first.Step(X, T, [], 0).Loss;
        Assert.AreEqual(4, new HashSet<float> { a, b, c, next }.Count);
    }

    [TestMethod]
    public void Step_WrongLengths_SayWhat()
    {
        using TrainingSession session = new(Network(), Options("f"));
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => session.Step(X.AsSpan(1), T, [], 0.1f)).Message,
            "not rows of 50"
        );
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => session.Step(X, T.AsSpan(0, 12), [], 0.1f)).Message,
            "rows of 3 logits"
        );
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => session.Step(X, T, [1, 2], 0.1f)).Message,
            "2 row weights for 6 rows"
        );
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => session.Step(X, T, new float[6], 0.1f)).Message,
            "sum to 0"
        );
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => session.Step(X, T, [], 0.1f, 0.2f)).Message,
            "2 learning rates for 1"
        );
        Assert.AreEqual(0, session.Steps);
    }

    /// <summary>
    /// Outputs are written onto the inputs they replace, so no parameter may be written before all gradients, which
    /// read the parameters, are there: it has to wait for their norm.
    /// </summary>
    [TestMethod]
    [DataRow(null)]
    [DataRow(1.0)]
    public void Build_EveryParameter_WaitsForAllGradients(double? clip)
    {
        TrainingGraph graph = new TrainingStepBuilder(
            Network(),
            Options("w", "s", "b", "f") with
            {
                ClipNorm = clip,
            }
        ).Build(2);
        foreach (string parameter in new[] { "w", "s", "b", "f" })
            Assert.IsTrue(
                graph.Model.CutAt($"next/{parameter}").Nodes.Any(n => n.Output.Contains(TrainingGraph.GradientNorm)),
                parameter
            );
    }

    [TestMethod]
    public void Constructor_UnknownParameter_SaysNearNames() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => new TrainingSession(Network(), Options("ff"))).Message,
            "Near names"
        );

    private static byte[] Train(TrainingOptions options, int steps, int? interruptAfter)
    {
        TrainingSession session = new(Network(), options, new() { Threads = 2, Seed = 3 });
        try
        {
            for (int step = 0; step < steps; step++)
            {
                if (step % 2 == 0)
                    session.Step(X, T, [], 0.05f);
                else
                    session.Step(X.AsSpan(50, 200), T.AsSpan(3, 12), [1, 2, 3, 4], 0.02f);
                if (step + 1 != interruptAfter)
                    continue;
                using MemoryStream middle = new();
                session.SaveState(middle);
                session.Dispose();
                session = new TrainingSession(Network(), options, new() { Threads = 2, Seed = 3 });
                middle.Position = 0;
                session.LoadState(middle);
            }

            using MemoryStream end = new();
            session.SaveState(end);
            return end.ToArray();
        }
        finally
        {
            session.Dispose();
        }
    }

    private static TrainingOptions Options(params string[] parameters) =>
        new()
        {
            Objectives = [new Objective { Logits = "logits" }],
            Groups = [new ParameterGroup { Name = "all", Parameters = parameters }],
        };

    /// <summary>Conv w, batch normalisation s and b, ReLU, global pool, dropout, product with f.</summary>
    internal static OnnxModel Network() =>
        new GraphBuilder()
            .Input("x", ["N", 2, 5, 5])
            .Initializer("w", Draw(2, 4 * 2 * 9), 4, 2, 3, 3)
            .Initializer("s", [1, 0.5f, 2, 1], 4)
            .Initializer("b", [0.1f, 0, -0.1f, 0.2f], 4)
            .Initializer("m", [0.1f, 0, -0.1f, 0.2f], 4)
            .Initializer("v", [1, 2, 3, 4f], 4)
            .Initializer("f", Draw(3, 12), 4, 3)
            .Initializer("ratio", [0.5f])
            .Node("Conv", ["x", "w"], ["c"], Attributes.Of("pads", [1, 1, 1, 1]))
            .Node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"])
            .Node("Relu", ["n"], ["r"])
            .Node("GlobalAveragePool", ["r"], ["p"])
            .Node("Flatten", ["p"], ["h"])
            .Node("Dropout", ["h", "ratio"], ["d"])
            .Node("MatMul", ["d", "f"], ["logits"])
            .Output("logits", ["N", 3])
            .Build();

    private static float[] Draw(int seed, int count)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() * 2 - 1))];
    }
}
