using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx.Training;
using TrainingSession = MlNetTransfer.Onnx.Training.TrainingSession;

namespace MlNetTransfer.Onnx.Tests.Training;

/// <summary>
/// Training on a device, of which the CPU plays the part: memory of its own, values copied there and back.
/// </summary>
[TestClass]
public sealed class TrainingDeviceTests
{
    private static readonly TrainingDevice Device = new()
    {
        Name = "the other CPU",
        Append = _ => { },
        Memory = () => new OrtMemoryInfo("Cpu", OrtAllocatorType.DeviceAllocator, 0, OrtMemType.Default),
    };

    public static IEnumerable<object?[]> MicroBatches =>
        [
            [null],
            [2],
        ];

    /// <summary>Kernels of our own are not used there: sums of float32 in another order.</summary>
    [TestMethod]
    [DynamicData(nameof(MicroBatches))]
    public void Step_OnADevice_IsThatOfTheCpu(int? microBatch)
    {
        TrainingOptions options = microBatch is null
            ? TrainingSessionTests.Everything
            : TrainingSessionTests.Everything with
            {
                BatchNormalization = BatchNormalizationMode.Inference,
            };
        TrainingSessionOptions running = new() { MicroBatch = microBatch, Seed = 3 };
        using TrainingSession cpu = new(TrainingSessionTests.Network(), options, running),
            there = new(TrainingSessionTests.Network(), options, running, Device);
        for (int step = 0; step < 4; step++)
        {
            StepResult expected = cpu.Step(TrainingSessionTests.X, TrainingSessionTests.T, [], 0.05f),
                found = there.Step(TrainingSessionTests.X, TrainingSessionTests.T, [], 0.05f);
            Assert.AreEqual(expected.Loss, found.Loss, 1e-5, $"step {step}");
            Assert.AreEqual(expected.GradientNorm, found.GradientNorm, 1e-5, $"step {step}");
        }

        AreNear(cpu.Parameters(), there.Parameters());
        AreNear(cpu.Averages(), there.Averages());
    }

    [TestMethod]
    public void LoadState_OfTheCpu_GoesOnOnADevice()
    {
        using TrainingSession cpu = new(TrainingSessionTests.Network(), TrainingSessionTests.Everything),
            there = new(TrainingSessionTests.Network(), TrainingSessionTests.Everything, null, Device),
            back = new(TrainingSessionTests.Network(), TrainingSessionTests.Everything);
        cpu.Step(TrainingSessionTests.X, TrainingSessionTests.T, [], 0.05f);
        using MemoryStream state = new(),
            same = new();
        cpu.SaveState(state);
        state.Position = 0;
        there.LoadState(state);
        there.SaveState(same);
        CollectionAssert.AreEqual(state.ToArray(), same.ToArray(), "copies there and back change nothing");
        same.Position = 0;
        back.LoadState(same);
        Assert.AreEqual(1, back.Steps);
    }

    [TestMethod]
    public void Check_DeviceThatTakesTheSteps_AsksForNoMemoryHere() =>
        Assert.AreEqual(
            0,
            TrainingEngines
                .Find(TrainingEngines.Default, Device)
                .Check(TrainingSessionTests.Network(), TrainingSessionTests.Everything, 6)
        );

    [TestMethod]
    public void Version_OfADevice_NamesIt() =>
        StringAssert.EndsWith(TrainingEngines.Find("ONNXRuntime", Device).Version, "on the other CPU");

    [TestMethod]
    public void Check_DeviceThatCannotBeOpened_SaysWhatItWasAskedFor()
    {
        TrainingDevice broken = Device with { Append = _ => throw new GraphException("it is unplugged.") };
        var e = Assert.ThrowsExactly<TrainingDeviceException>(() =>
            TrainingEngines
                .Find(TrainingEngines.Default, broken)
                .Check(TrainingSessionTests.Network(), TrainingSessionTests.Everything, 6)
        );
        StringAssert.Matches(
            e.Message,
            new System.Text.RegularExpressions.Regex(
                "^the other CPU could not take a step of 6 rows, for which about .* MB are needed: it is unplugged"
            )
        );
    }

    /// <summary>A product of 4 TB, which no machine has.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Step_MoreMemoryThanThereIs_SaysWhereAndWhatToDo(bool onDevice)
    {
        const int Length = 1 << 20;
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", Length, 1])
            .Initializer("w", new float[Length], 1, Length)
            .Node("Mul", ["x", "w"], ["product"])
            .Node("ReduceMax", ["product"], ["most"], Attributes.Of("axes", [1]), Attributes.Of("keepdims", 0))
            .Initializer("head", new float[Length * 2], Length, 2)
            .Node("MatMul", ["most", "head"], ["logits"])
            .Output("logits", ["N", 2])
            .Build();
        TrainingOptions options = new()
        {
            Objectives = [new Objective { Logits = "logits" }],
            Groups = [new ParameterGroup { Name = "all", Parameters = ["head"] }],
        };
        using TrainingSession session = new(model, options, null, onDevice ? Device : null);
        var e = Assert.ThrowsExactly<GraphException>(() => session.Step(new float[Length], [1, 0], [], 0.1f));
        StringAssert.StartsWith(e.Message, onDevice ? "the other CPU could not" : "ONNX Runtime could not");
        StringAssert.Contains(e.Message, "--micro-batch");
    }

    [TestMethod]
    public void Against_RoundingAlone_IsTheSame() =>
        Assert.IsNull(Steps(2, 3, [1, 2]).Against(Steps(2.0001f, 3.001f, [1.001f, 2])));

    [TestMethod]
    [DataRow(2.1f, 3f, 1f, "the loss of step 1 is 2.1, where the CPU has 2")]
    [DataRow(2f, 3.3f, 1f, "the norm of the gradients of step 1 is 3.3, where the CPU has 3")]
    [DataRow(2f, 3f, 1.5f, "after 1 steps, which moved the weights by 2.236, they are 0.5 apart")]
    [DataRow(float.NaN, 3f, 1f, "the loss of step 1 is NaN, where the CPU has 2")]
    [DataRow(2f, 3f, float.NaN, "they are NaN apart")]
    public void Against_OtherNumbers_SaysWhichDiffer(float loss, float norm, float weight, string expected) =>
        StringAssert.EndsWith(Steps(2, 3, [1, 2]).Against(Steps(loss, norm, [weight, 2])), expected);

    private static TrialSteps Steps(float loss, float norm, float[] weights) =>
        new(
            [new StepResult(loss, norm)],
            new Dictionary<string, float[]> { ["w"] = [0, 0] },
            new Dictionary<string, float[]> { ["w"] = weights }
        );

    private static void AreNear(
        IReadOnlyDictionary<string, float[]> expected,
        IReadOnlyDictionary<string, float[]> found
    )
    {
        foreach ((string name, float[] values) in expected)
            for (int i = 0; i < values.Length; i++)
                Assert.AreEqual(values[i], found[name][i], 1e-5, name);
    }
}
