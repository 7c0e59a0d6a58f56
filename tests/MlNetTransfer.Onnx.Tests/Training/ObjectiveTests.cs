using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Onnx.Tests.Training;

/// <summary>Several objectives of one network against PyTorch in float64, and their errors.</summary>
[TestClass]
public sealed class ObjectiveTests
{
    private const string Script = """
        class Two(nn.Module):
            def __init__(self):
                super().__init__()
                self.t, self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 5), nn.Linear(8, 2)
            def forward(self, x):
                h = torch.tanh(self.t(x))
                return self.a(h), self.b(h), h
        start = Two()
        x = torch.randn(4, 6)
        names = ["first", "second", "hidden"]
        torch.onnx.export(start, x, f"{folder}/two.onnx", opset_version=16, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
                          input_names=["x"], output_names=names, dynamic_axes={n: {0: "N"} for n in ["x", *names]})
        label, teacher, value, flag, inside = (torch.softmax(torch.randn(4, 5), -1), torch.softmax(torch.randn(4, 5), -1), torch.randn(4, 2),
                                               torch.rand(4, 2), torch.randn(4, 8))
        w = torch.tensor([0.1, 0.2, 0.3, 0.4])
        for name, tensor in dict(x=x, w=w, label=label, teacher=teacher, value=value, flag=flag, inside=inside).items(): save(name, tensor)
        cross = lambda z, t: -(t * torch.log_softmax(z, 1)).sum(1)
        binary = lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="none").mean(1)
        square = lambda z, t: F.mse_loss(z, t, reduction="none").mean(1)
        cases = {
            "heads": [(1, cross, 0, label), (0.3, square, 1, value)],
            "teacher": [(0.25, cross, 0, label), (0.75, cross, 0, teacher)],
            "all": [(1, cross, 0, label), (0.7, cross, 0, teacher), (2, binary, 1, flag), (0.05, square, 2, inside)],
        }
        for name, objectives in cases.items():
            net = copy.deepcopy(start).double()
            if name == "teacher": del net.b; net.forward = lambda x, net=net: (net.a(torch.tanh(net.t(x))),)
            optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
            for step in range(5):
                outputs = net(x.double())
                total = sum(k * (loss(outputs[i], t.double()) * w.double()).sum() for k, loss, i, t in objectives)
                optimiser.zero_grad(); total.backward()
                norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1e30)
                optimiser.step()
                save(f"{name}/report/{step}", torch.stack([total, norm]))
                for k, (_, _, i, _) in enumerate(objectives): save(f"{name}/logits/{step}/{k}", outputs[i])
            for key, parameter in net.state_dict().items(): save(f"{name}/weights/{key}", parameter)
        """;

    /// <summary>Five float32 steps drift from float64 ones by a few times 2⁻²⁴ each.</summary>
    private const double Tolerance = 1e-5;

    private static readonly Lazy<TorchRun> Torch = new(() => new TorchRun(Script));

    private static readonly float[] X = [1, 2, -1, 0.5f],
        TwoColumns = [1, 0, 0, 1],
        ThreeColumns = [1, 0, 0, 0, 0, 1];

    /// <summary>What each objective minimises, and the name of its targets in the script.</summary>
    private static readonly Dictionary<string, (Objective Objective, string Targets)[]> Cases = new()
    {
        ["heads"] =
        [
            (new() { Logits = "first" }, "label"),
            (
                new()
                {
                    Logits = "second",
                    Loss = new MeanSquaredError(),
                    Weight = 0.3,
                },
                "value"
            ),
        ],
        ["teacher"] =
        [
            (new() { Logits = "first", Weight = 0.25 }, "label"),
            (new() { Logits = "first", Weight = 0.75 }, "teacher"),
        ],
        ["all"] =
        [
            (new() { Logits = "first" }, "label"),
            (
                new()
                {
                    Logits = "first",
                    Weight = 0.7,
                    Targets = "teacher",
                },
                "teacher"
            ),
            (
                new()
                {
                    Logits = "second",
                    Loss = new BinaryCrossEntropy(),
                    Weight = 2,
                },
                "flag"
            ),
            (
                new()
                {
                    Logits = "hidden",
                    Loss = new MeanSquaredError(),
                    Weight = 0.05,
                },
                "inside"
            ),
        ],
    };

    [ClassCleanup]
    public static void Clean()
    {
        if (Torch.IsValueCreated)
            Torch.Value.Dispose();
    }

    /// <summary>
    /// Two heads; the same logits twice, as in distillation; and both with a layer that lies under the heads.
    /// </summary>
    [TestMethod]
    [DataRow("heads", null)]
    [DataRow("teacher", null)]
    [DataRow("all", null)]
    [DataRow("all", 3)]
    public void Step_SeveralObjectives_AsPyTorch(string name, int? microBatch)
    {
        TorchRun torch = Torch.Value;
        string[] trained =
            name == "teacher"
                ? ["t.weight", "t.bias", "a.weight", "a.bias"]
                : ["t.weight", "t.bias", "a.weight", "a.bias", "b.weight", "b.bias"];
        using TrainingSession session = new(
            torch.Model("two"),
            new TrainingOptions
            {
                Objectives = [.. Cases[name].Select(c => c.Objective)],
                Groups = [new ParameterGroup { Name = "all", Parameters = trained }],
            },
            new TrainingSessionOptions { Threads = 1, MicroBatch = microBatch }
        );
        ReadOnlyMemory<float>[] targets = [.. Cases[name].Select(c => (ReadOnlyMemory<float>)torch.Floats(c.Targets))];
        for (int step = 0; step < 5; step++)
        {
            StepResult result = session.Step(torch.Floats("x"), targets, torch.Floats("w"), 0.1f);
            Assert.AreEqual(torch[$"{name}/report/{step}"][0], result.Loss, Tolerance);
            Assert.AreEqual(torch[$"{name}/report/{step}"][1], result.GradientNorm, Tolerance);
            for (int i = 0; i < targets.Length; i++)
                Near(torch[$"{name}/logits/{step}/{i}"], session.LogitsOf(i), $"logits {i} of step {step}");
        }

        foreach ((string parameter, float[] values) in session.Parameters())
            Near(torch[$"{name}/weights/{parameter}"], values, parameter);
    }

    /// <summary>Without momentum a step is linear in the weight of the only objective: float32 rounds once more.</summary>
    [TestMethod]
    public void Weight_OfTheOnlyObjective_MultipliesLossAndStep()
    {
        (double loss, float[] before) = One(new Objective { Logits = "a" }, rate: 0);
        (double once, float[] single) = One(new Objective { Logits = "a" }, rate: 0.1f);
        (double thrice, float[] triple) = One(new Objective { Logits = "a", Weight = 3 }, rate: 0.1f);
        Assert.AreEqual(loss, once);
        Assert.AreEqual(3 * once, thrice, 1e-6);
        for (int i = 0; i < before.Length; i++)
            Assert.AreEqual(3 * (single[i] - before[i]), triple[i] - before[i], 1e-6);
    }

    [TestMethod]
    public void Build_SeveralObjectives_EachHasTargetsOfItsOwn()
    {
        TrainingGraph graph = new TrainingStepBuilder(
            Network(),
            Options(
                new Objective { Logits = "a" },
                new Objective { Logits = "b" },
                new Objective { Logits = "a", Targets = "teacher" }
            )
        ).Build(4);
        CollectionAssert.AreEqual(
            new ObjectiveTensors[] { new("a", "targets", 2), new("b", "targets_2", 3), new("a", "teacher", 2) },
            graph.Objectives.ToArray()
        );
        CollectionAssert.IsSubsetOf(
            new[] { "targets", "targets_2", "teacher" },
            graph.Model.Inputs.Select(i => i.Name).ToArray()
        );
        Assert.AreEqual(1, graph.Model.Outputs.Count(o => o.Name == "a"));
    }

    [TestMethod]
    public void Options_NoObjectiveOrTwiceTheSameTargets_SayWhat()
    {
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => Options()).Message,
            "At least one objective"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<ArgumentException>(() =>
                    Options(new Objective { Logits = "a" }, new Objective { Logits = "b", Targets = "targets" })
                )
                .Message,
            "'targets'"
        );
        Assert.ThrowsExactly<ArgumentException>(() => new Objective { Logits = "" });
        Assert.ThrowsExactly<ArgumentException>(() => new Objective { Logits = "a", Targets = "" });
    }

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(-1.0)]
    [DataRow(1.1e6)]
    [DataRow(double.NaN)]
    public void Weight_OutsideItsRange_Throws(double weight) =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new Objective { Logits = "a", Weight = weight });

    [TestMethod]
    public void Session_UnknownLogits_AreNamed()
    {
        GraphException error = Assert.ThrowsExactly<GraphException>(() =>
            new TrainingSession(
                Network(),
                Options(new Objective { Logits = "a" }, new Objective { Logits = "nowhere" })
            )
        );
        StringAssert.Contains(error.Message, "'nowhere'");
    }

    [TestMethod]
    public void Step_LogitsThatAreNoRows_AreNamed()
    {
        using TrainingSession session = new(
            Network(),
            Options(new Objective { Logits = "a" }, new Objective { Logits = "cube" })
        );
        GraphException error = Assert.ThrowsExactly<GraphException>(() =>
            session.Step(X, [TwoColumns, TwoColumns], [], 0.1f)
        );
        StringAssert.Contains(error.Message, "'cube' are [2, 1, 3]");
    }

    [TestMethod]
    public void Step_TargetsThatDoNotFit_SayWhose()
    {
        using TrainingSession session = new(
            Network(),
            Options(new Objective { Logits = "a" }, new Objective { Logits = "b" })
        );
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => session.Step(X, TwoColumns, [], 0.1f)).Message,
            "Targets of 1 objectives for 2: 'a', 'b'."
        );
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => session.Step(X, [TwoColumns, TwoColumns], [], 0.1f)).Message,
            "4 targets for 2 rows of 3 logits 'b'"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<ArgumentException>(() =>
                    session.Step(X, [TwoColumns, ThreeColumns.AsMemory(1)], [], 0.1f)
                )
                .Message,
            "5 targets of 'b' do not belong to 2 rows"
        );
        Assert.AreEqual(0, session.Steps);
        session.Step(X, [TwoColumns, ThreeColumns], [], 0.1f);
        Assert.AreEqual(1, session.Steps);
        Assert.AreEqual(4, session.Logits.Length);
        Assert.AreEqual(6, session.LogitsOf(1).Length);
    }

    private static (double Loss, float[] Weights) One(Objective objective, float rate)
    {
        using TrainingSession session = new(
            Network(),
            Options(objective) with
            {
                Groups = [new ParameterGroup { Name = "all", Parameters = ["p"] }],
                Optimizer = new SgdOptimizer { Momentum = 0 },
            }
        );
        return (session.Step(X, TwoColumns, [], rate).Loss, session.Parameters()["p"]);
    }

    private static TrainingOptions Options(params Objective[] objectives) =>
        new() { Objectives = objectives, Groups = [new ParameterGroup { Name = "all", Parameters = ["p", "q"] }] };

    /// <summary>Two heads on one input: a = x·p, b = x·q; cube is b with one more axis.</summary>
    private static OnnxModel Network() =>
        new GraphBuilder()
            .Input("x", ["N", 2])
            .Initializer("p", [0.5f, -1, 2, 0.25f], 2, 2)
            .Initializer("q", [1, 0, -1, 0.5f, 2, 1], 2, 3)
            .Initializer("one", [1L], 1)
            .Node("MatMul", ["x", "p"], ["a"])
            .Node("MatMul", ["x", "q"], ["b"])
            .Node("Unsqueeze", ["b", "one"], ["cube"])
            .Output("a", ["N", 2])
            .Output("b", ["N", 3])
            .Output("cube", ["N", 1, 3])
            .Build();

    private static void Near(double[] expected, ReadOnlySpan<float> actual, string what)
    {
        Assert.AreEqual(expected.Length, actual.Length, what);
        for (int i = 0; i < actual.Length; i++)
            Assert.AreEqual(expected[i], actual[i], Tolerance, $"{what}[{i}]");
    }
}
