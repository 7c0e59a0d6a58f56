using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Onnx.Tests.Training;

/// <summary>Training steps of a tiny network against PyTorch in float64.</summary>
[TestClass]
public sealed class TinyNetworkTests
{
    private const string Script = """
        class Tiny(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 5)
            def forward(self, x):
                h = F.relu(self.a(x))
                h = F.relu(self.b(h) + h)
                return self.fc(F.adaptive_avg_pool2d(h, 1).flatten(1))
        start = Tiny()
        x, t, w = torch.randn(3, 4, 3, 8, 8), torch.softmax(torch.randn(3, 4, 5), -1), torch.rand(3, 4) + 0.1
        export(start, "tiny", x[0])
        save("x", x); save("t", t); save("w", w)
        groups = lambda net: [dict(params=[*net.a.parameters(), *net.b.parameters()], lr=0.05), dict(params=net.fc.parameters(), lr=0.2)]
        cross = lambda z, t: -(t * torch.log_softmax(z, 1)).sum(1)
        binary = lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="none").mean(1)
        square = lambda z, t: F.mse_loss(z, t, reduction="none").mean(1)
        cases = {
            "sgd": (cross, lambda p: torch.optim.SGD(p, 1, momentum=0.9), {}),
            "plain": (binary, lambda p: torch.optim.SGD(p, 1), dict(clip=0.05)),
            "nesterov": (square, lambda p: torch.optim.SGD(p, 1, momentum=0.8, nesterov=True), dict(decay=0.1, pull=0.2)),
            "adamw": (cross, lambda p: torch.optim.AdamW(p, weight_decay=0.1), dict(average=0.9, clip=0.1)),
        }
        for name, (loss, make, more) in cases.items():
            net, origin = copy.deepcopy(start).double(), copy.deepcopy(start).double()
            optimiser = make(groups(net))
            average = copy.deepcopy(origin)
            for step in range(6):
                z = net(x[step % 3].double())
                weights = w[step % 3].double() / w[step % 3].double().sum()
                value = (loss(z, t[step % 3].double()) * weights).sum()
                optimiser.zero_grad(); value.backward()
                norm = torch.nn.utils.clip_grad_norm_(net.parameters(), more.get("clip", 1e30))
                with torch.no_grad():
                    for group in optimiser.param_groups:
                        for p in group["params"]:
                            p0 = dict(zip(net.parameters(), origin.parameters()))[p]
                            p.add_(p * -group["lr"] * more.get("decay", 0) - group["lr"] * more.get("pull", 0) * (p - p0))
                optimiser.step()
                with torch.no_grad():
                    for a, p in zip(average.parameters(), net.parameters()): a.lerp_(p, 1 - more.get("average", 0))
                save(f"{name}/report/{step}", torch.stack([value, norm])); save(f"{name}/logits/{step}", z)
            for key, value in net.state_dict().items(): save(f"{name}/weights/{key}", value)
            for key, value in average.state_dict().items(): save(f"{name}/average/{key}", value)
        """;

    private static readonly Lazy<TorchRun> Torch = new(() => new TorchRun(Script));

    private static readonly Dictionary<string, TrainingOptions> Cases = new()
    {
        ["sgd"] = Options(new CrossEntropy(), new SgdOptimizer()),
        ["plain"] = Options(new BinaryCrossEntropy(), new SgdOptimizer { Momentum = 0 }) with { ClipNorm = 0.05 },
        ["nesterov"] = Options(
            new MeanSquaredError(),
            new SgdOptimizer { Momentum = 0.8, Nesterov = true },
            decay: 0.1
        ) with
        {
            StartingPointDecay = 0.2,
        },
        ["adamw"] = Options(new CrossEntropy(), new AdamWOptimizer(), decay: 0.1) with
        {
            AverageDecay = 0.9,
            ClipNorm = 0.1,
        },
    };

    [ClassCleanup]
    public static void Clean()
    {
        if (Torch.IsValueCreated)
            Torch.Value.Dispose();
    }

    /// <summary>
    /// Six float32 steps drift from float64 ones by a few times 2⁻²⁴ each; AdamW's division by √v amplifies that of
    /// near-zero gradients.
    /// </summary>
    [TestMethod]
    [DataRow("sgd", null, 1e-5)]
    [DataRow("plain", null, 1e-5)]
    [DataRow("nesterov", null, 1e-5)]
    [DataRow("adamw", null, 1e-4)]
    [DataRow("sgd", 2, 1e-5)]
    [DataRow("adamw", 3, 1e-4)]
    public void Step_SixSteps_AsPyTorch(string name, int? microBatch, double tolerance)
    {
        TorchRun torch = Torch.Value;
        using TrainingSession session = new(
            torch.Model("tiny"),
            Cases[name],
            new TrainingSessionOptions { Threads = 1, MicroBatch = microBatch }
        );
        for (int step = 0; step < 6; step++)
        {
            StepResult result = Step(session, torch, step);
            Assert.AreEqual(torch[$"{name}/report/{step}"][0], result.Loss, tolerance);
            Assert.AreEqual(torch[$"{name}/report/{step}"][1], result.GradientNorm, tolerance);
            Near(torch[$"{name}/logits/{step}"], [.. session.Logits], tolerance, "logits");
        }

        foreach ((string parameter, float[] values) in session.Parameters())
            Near(torch[$"{name}/weights/{parameter}"], values, tolerance, parameter);
        if (Cases[name].AverageDecay is not null)
            foreach ((string parameter, float[] values) in session.Averages())
                Near(torch[$"{name}/average/{parameter}"], values, tolerance, parameter);
    }

    private static TrainingOptions Options(TrainingLoss loss, TrainingOptimizer optimizer, double decay = 0) =>
        new()
        {
            Objectives = [new Objective { Logits = "logits", Loss = loss }],
            Optimizer = optimizer,
            Groups =
            [
                new ParameterGroup
                {
                    Name = "backbone",
                    Parameters = ["a.weight", "a.bias", "b.weight", "b.bias"],
                    WeightDecay = decay,
                },
                new ParameterGroup
                {
                    Name = "head",
                    Parameters = ["fc.weight", "fc.bias"],
                    WeightDecay = decay,
                },
            ],
        };

    private static StepResult Step(TrainingSession session, TorchRun torch, int step)
    {
        int batch = step % 3;
        return session.Step(
            torch.Floats("x").AsSpan(batch * 768, 768),
            torch.Floats("t").AsSpan(batch * 20, 20),
            torch.Floats("w").AsSpan(batch * 4, 4),
            0.05f,
            0.2f
        );
    }

    private static void Near(double[] expected, float[] actual, double tolerance, string what)
    {
        Assert.AreEqual(expected.Length, actual.Length, what);
        for (int i = 0; i < actual.Length; i++)
            Assert.AreEqual(expected[i], actual[i], tolerance, $"{what}[{i}]");
    }
}
