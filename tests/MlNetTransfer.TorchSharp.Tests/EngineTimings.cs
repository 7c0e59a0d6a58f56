using System.Diagnostics;
using System.Globalization;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.TorchSharp.Tests;

/// <summary>
/// Training steps of both engines side by side, on networks of torchvision: milliseconds of a step, medians of
/// alternating rounds. Not a test: MLNETTRANSFER_TIMINGS=resnet18,mobilenet_v2 (networks by name) runs it, on a machine
/// that does nothing else.
/// </summary>
[TestClass]
public sealed class EngineTimings
{
    private const int Batch = 16,
        Rounds = 7,
        WarmUps = 8,
        Classes = 10;

    private const string Export = """
        import sys, warnings, torch, torchvision
        warnings.filterwarnings("ignore")
        torch.manual_seed(1)
        name, file = sys.argv[1:]
        net = getattr(torchvision.models, name)(num_classes=10).eval()
        torch.onnx.export(net, torch.randn(1, 3, 224, 224), file, opset_version=16,
                          training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
                          input_names=["x"], output_names=["logits"],
                          dynamic_axes={"x": {0: "N"}, "logits": {0: "N"}})
        """;

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void Measure_StepsOfBothEngines()
    {
        string? wanted = Environment.GetEnvironmentVariable("MLNETTRANSFER_TIMINGS");
        if (string.IsNullOrEmpty(wanted))
            Assert.Inconclusive("MLNETTRANSFER_TIMINGS names no networks to be timed.");
        InTorch.Require();
        TorchSharpEngine.Register();
        Say("network       trained         ours ms   libtorch ms   libtorch / ours");
        foreach (string name in wanted.Split(','))
        {
            string file = Trained.At($"{name}.onnx");
            Python.Run(Export, name, file);
            OnnxModel model = OnnxModel.Load(file).SeparateInitializers();
            string features = model.Nodes.Last(n => n.OpType == "Gemm").Input[0];
            int blocks = NetworkBlocks.Find(model, [features]).Count;
            Time(name, "all", Plan(model, features, 0, TrainedParameters.All));
            Time(name, "affine", Plan(model, features, 0, TrainedParameters.Affine));
            Time(name, "last block", Plan(model, features, blocks - 1, TrainedParameters.All));
        }
    }

    private static FineTunePlan Plan(OnnxModel model, string features, int frozen, TrainedParameters which)
    {
        long width = model.Initializers.Single(i => i.Name == model.Nodes.Last(n => n.OpType == "Gemm").Input[1]).Dims[
            1
        ];
        return FineTunePlan.Of(model, [features], (int)width, FreezeBoundary.OfBlocks(frozen), which);
    }

    private void Time(string name, string what, FineTunePlan plan)
    {
        int width = plan.Width;
        var rng = new Random(1);
        OnnxModel model = plan.Forward(
            [.. Enumerable.Range(0, Classes * width).Select(_ => (float)(0.01 * rng.NextDouble()))],
            new float[Classes]
        );
        TrainingOptions steps = new()
        {
            Objectives = [new Objective { Logits = plan.Logits }],
            Groups =
            [
                new ParameterGroup
                {
                    Name = "all",
                    Parameters = [plan.HeadWeight, plan.HeadBias, .. plan.Trained.SelectMany(names => names)],
                },
            ],
        };
        float[] inputs = [.. Enumerable.Range(0, Batch * plan.Network.RowLength).Select(_ => (float)rng.NextDouble())],
            targets = new float[Batch * Classes];
        for (int row = 0; row < Batch; row++)
            targets[row * Classes + row % Classes] = 1;
        List<ITrainingSession> sessions = [];
        List<double>[] times =
        [
            [],
            [],
        ];
        foreach (string engine in (string[])[TrainingEngines.Default, TorchSharpEngine.EngineName])
            try
            {
                sessions.Add(
                    TrainingEngines.Find(engine).CreateSession(model, steps, new TrainingSessionOptions { Threads = 2 })
                );
            }
            catch (GraphException e)
            {
                Say($"{name, -13} {what, -12} {engine}: {e.Message}");
            }

        for (int round = -WarmUps; round < Rounds; round++)
        for (int s = 0; s < sessions.Count; s++)
        {
            long started = Stopwatch.GetTimestamp();
            sessions[s].Step(inputs, targets, [], 1e-6f);
            if (round >= 0)
                times[s].Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }

        foreach (ITrainingSession session in sessions)
            session.Dispose();
        if (sessions.Count < 2)
            return;
        double[] medians = [.. times.Select(t => t.Order().ElementAt(Rounds / 2))];
        Say(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{name, -13} {what, -12} {medians[0], 9:f0} {medians[1], 13:f0} {medians[1] / medians[0], 17:f2}"
            )
        );
    }

    private void Say(string line)
    {
        TestContext.WriteLine(line);
        Console.Error.WriteLine(line);
    }
}
