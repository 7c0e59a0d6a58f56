using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training.FineTuning;

/// <summary>Jobs that train on a device, of which the CPU plays the part.</summary>
[TestClass]
public sealed class TrainingDeviceJobTests
{
    private static readonly TrainingDevice Device = new()
    {
        Name = "the other CPU",
        Append = _ => { },
        Memory = () => new OrtMemoryInfo("Cpu", OrtAllocatorType.DeviceAllocator, 0, OrtMemType.Default),
    };

    [TestMethod]
    public void Run_OnADevice_TrainsThereAndSaysSo()
    {
        using TuneTask task = new();
        TrainOptions options = task.Options("out", TrainingStrategy.FineTune, TuneTask.Thorough);
        TrainSummary summary = Run(task, options, Device);
        StringAssert.EndsWith(summary.Training!.Engine, "on the other CPU");
        Assert.IsNull(summary.Training.Fallback);
        Assert.IsGreaterThan(0, summary.Training.BestEpoch, "twelve epochs beat a head on random features");
    }

    [TestMethod]
    public void Run_OnADeviceThatDoesNotTrain_TrainsOnTheCpuAndSaysWhy()
    {
        using TuneTask task = new();
        TrainSummary plain = Run(task, task.Options("plain", TrainingStrategy.FineTune), null),
            summary = Run(
                task,
                task.Options("out", TrainingStrategy.FineTune),
                Device with
                {
                    Append = _ => throw new Onnx.GraphException("it is unplugged"),
                }
            );
        Assert.AreEqual(plain.Training!.Engine, summary.Training!.Engine);
        StringAssert.Contains(summary.Training.Fallback, "it is unplugged");
        StringAssert.Contains(
            string.Join('\n', summary.Notes),
            "The network was trained on the CPU: the other CPU could not take a step of 8 rows"
        );
        CollectionAssert.AreEqual(
            File.ReadAllBytes(task.File("plain/model.onnx")),
            File.ReadAllBytes(task.File("out/model.onnx")),
            "the CPU's training is the same whatever was tried before"
        );
    }

    [TestMethod]
    public void Run_EngineWithADeviceOfItsOwn_IsRefused()
    {
        using TuneTask task = new();
        TrainingEngines.Add(new OtherEngine());
        var e = Assert.ThrowsExactly<TransferException>(() =>
            Run(task, task.Options("out", TrainingStrategy.FineTune, o => o with { Engine = "other" }), Device)
        );
        StringAssert.Contains(e.Message, "Leave --device out");
    }

    private static TrainSummary Run(TuneTask task, TrainOptions options, TrainingDevice? device) =>
        new TrainJob(options, new JobServices { Catalog = task.Catalog, TrainingDevice = device }).Run();

    private sealed class OtherEngine : ITrainingEngine
    {
        public string Name => "other";

        public string Version => "1";

        public long Check(Onnx.OnnxModel model, TrainingOptions options, int batch) => 0;

        public ITrainingSession CreateSession(
            Onnx.OnnxModel model,
            TrainingOptions options,
            TrainingSessionOptions running
        ) => throw new NotSupportedException();
    }
}
