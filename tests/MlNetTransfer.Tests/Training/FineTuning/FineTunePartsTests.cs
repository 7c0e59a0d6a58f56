using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training.FineTuning;

[TestClass]
public sealed class FineTunePartsTests
{
    [TestMethod]
    [DataRow("0.7", "0.7")]
    [DataRow("1", "1")]
    [DataRow("block:3", "block:3")]
    [DataRow("pattern:^layer[12]", "pattern:^layer[12]")]
    public void Parse_Boundary_WritesItselfBack(string text, string expected) =>
        Assert.AreEqual(expected, FreezeBoundary.Parse(text).ToString());

    [TestMethod]
    [DataRow("1.5")]
    [DataRow("-0.1")]
    [DataRow("NaN")]
    [DataRow("half")]
    [DataRow("block:-1")]
    [DataRow("block:")]
    [DataRow("pattern:")]
    [DataRow("pattern:(")]
    [DataRow(@"pattern:(a)\1")]
    public void Parse_WrongBoundary_SaysWhatThereIs(string text) =>
        StringAssert.Contains(
            Assert.ThrowsExactly<FormatException>(() => FreezeBoundary.Parse(text)).Message,
            "block:N"
        );

    /// <summary>Oracle: closed forms at chosen steps.</summary>
    [TestMethod]
    public void Factor_EverySchedule_IsItsClosedForm()
    {
        var cosine = new LearningRateSchedule(ScheduleKind.Cosine, 110, 10 / 110.0);
        Assert.AreEqual(1 / 11.0, cosine.Factor(0), 1e-12);
        Assert.AreEqual(10 / 11.0, cosine.Factor(9), 1e-12);
        Assert.AreEqual(1, cosine.Factor(10), 1e-12);
        Assert.AreEqual(0.5, cosine.Factor(60), 1e-12);
        Assert.IsLessThan(0.001, cosine.Factor(109));
        var steps = new LearningRateSchedule(ScheduleKind.Step, 100, 0);
        CollectionAssert.AreEqual(
            (double[])[1, 1, 0.1, 0.1, 0.01],
            ((long[])[0, 59, 60, 84, 85]).Select(steps.Factor).ToArray()
        );
        Assert.AreEqual(1, new LearningRateSchedule(ScheduleKind.Constant, 100, 0).Factor(99));
        var cycle = new LearningRateSchedule(ScheduleKind.OneCycle, 1000, 0);
        Assert.AreEqual(1 / 25.0, cycle.Factor(0), 1e-4);
        Assert.AreEqual(1, Enumerable.Range(0, 1000).Max(s => cycle.Factor(s)), 1e-4);
        Assert.IsLessThan(2e-4, cycle.Factor(999));
    }

    [TestMethod]
    [DataRow(1f)]
    [DataRow(1e8f)]
    public void Unpack_PackedRow_IsWithinHalfPrecision(float size)
    {
        float[] row = [.. Enumerable.Range(0, 1001).Select(i => size * MathF.Sin(i))],
            packed = new float[HalfRow.PackedLength(1001)],
            found = new float[1001];
        HalfRow.Pack(row, packed);
        HalfRow.Unpack(packed, found);
        // 11 bits of mantissa; what is 2¹⁴ times smaller than the largest loses more.
        for (int i = 0; i < row.Length; i++)
            Assert.AreEqual(row[i], found[i], MathF.Abs(row[i]) / 2048 + size * 1e-7f);
        HalfRow.Pack([0], packed.AsSpan(0, 2));
        HalfRow.Unpack(packed.AsSpan(0, 2), found.AsSpan(0, 1));
        Assert.AreEqual(0, found[0]);
    }

    [TestMethod]
    public void Of_SmoothedTargets_SumToOneAndBalancedClassesCountTheSame()
    {
        int[] labels = [0, 0, 0, 1];
        var targets = new SoftTargets(labels, 3, [0, 1, 2, 3], ClassWeights.Balanced, 0.3);
        float[] found = targets.Of([0, 3]);
        CollectionAssert.AreEqual(
            (float[])[0.8f, 0.1f, 0.1f, 0.1f, 0.8f, 0.1f],
            found.Select(v => MathF.Round(v, 5)).ToArray()
        );
        float[] weights = targets.Weights([0, 1, 2, 3]);
        Assert.AreEqual(weights[3], weights[0] + weights[1] + weights[2], 1e-6f);
    }

    [TestMethod]
    public void Of_ValidationOfGroups_KeepsThemTogetherAndSparesTheOnlyOne()
    {
        int[] labels = [.. Enumerable.Range(0, 40).Select(i => i < 30 ? i % 2 : 2)],
            groups = [.. Enumerable.Range(0, 40).Select(i => i < 30 ? i / 3 : 99)];
        TrainingImages images = Images(labels, groups);
        TrainTestRows split = ValidationRows.Of(images, [.. Enumerable.Range(0, 40)], 0.2, 1);
        Assert.IsNotEmpty(split.Test);
        Assert.IsEmpty(split.Test.Select(r => groups[r]).Intersect(split.Train.Select(r => groups[r])));
        Assert.IsFalse(split.Test.Any(r => labels[r] == 2), "a class of one group is trained on, not judged");
        CollectionAssert.AreEqual(Enumerable.Range(0, 40).ToArray(), split.Train.Concat(split.Test).Order().ToArray());
    }

    [TestMethod]
    public void Mixed_Weights_LieBetween()
    {
        NetworkWeights start = new(new Dictionary<string, float[]> { ["w"] = [1, 2], ["other"] = [9] }),
            end = new(new Dictionary<string, float[]> { ["w"] = [3, -2] });
        CollectionAssert.AreEqual((float[])[1.5f, 1], end.Mixed(start, 0.25f).Values["w"]);
        CollectionAssert.AreEqual((string[])["w"], end.Mixed(start, 0.25f).Values.Keys.ToArray());
    }

    [TestMethod]
    public void Of_OneRowPerClass_SetsNothingAside() =>
        Assert.IsEmpty(ValidationRows.Of(Images([0, 1, 2], null), [0, 1, 2], 0.2, 1).Test);

    [TestMethod]
    public void Check_MoreMemoryThanThereIs_SaysWhatHelps()
    {
        OnnxModel model = SmallNetwork.Build();
        var options = new TrainingOptions
        {
            Objectives = [new Objective { Logits = "logits" }],
            Groups = [new ParameterGroup { Name = "all", Parameters = ["two_b.weight"] }],
        };
        long step = TrainingEngines.Find(TrainingEngines.Default).Check(model, options, 16);
        TrainingMemory.Check(step, 16, available: 1L << 40);
        string message = Assert
            .ThrowsExactly<TransferException>(() => TrainingMemory.Check(step, 16, available: 1000))
            .Message;
        foreach (string advice in (string[])["16 images", "--micro-batch 4", "--batch", "--freeze"])
            StringAssert.Contains(message, advice);
    }

    private static TrainingImages Images(int[] labels, int[]? groups) =>
        new(
            [.. labels.Select((l, i) => new DataItem($"{i}.png", $"{i}.png", l))],
            labels,
            new byte[32 * labels.Length],
            ["a", "b", "c"],
            groups
        );
}
