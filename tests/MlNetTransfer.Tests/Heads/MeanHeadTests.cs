using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Heads;

/// <summary>Oracle: each head alone, and ONNX Runtime.</summary>
[TestClass]
public sealed class MeanHeadTests
{
    [TestMethod]
    public void Logits_LinearAndKernel_AreTheMeanOfBothAndThoseOfTheGraph()
    {
        FeatureTable table = Rows.Clusters(60, 12, 3, 2);
        var groups = new TapGroups(["first", "second"], [5, 7]);
        FeatureTable left = groups.Columns(table, [0]),
            right = groups.Columns(table, [1]);
        IHead linear = new LinearDiscriminantTrainer().Fit(left),
            kernel = new CalibratedHead(new KernelRidgeTrainer().Fit(right), 0.7);
        CalibratedHead mean = new(new MeanHead(linear, kernel), 1.5);
        Assert.AreEqual(12, mean.Width);
        float[] first = Logits(linear, left),
            second = Logits(kernel, right),
            found = Logits(mean, table);
        for (int i = 0; i < found.Length; i++)
            Assert.AreEqual((first[i] + second[i]) / 2 / 1.5, found[i], 1e-5 * (1 + Math.Abs(found[i])), "float32");

        OnnxModel graph = ModelGraph
            .WithHead(
                new GraphBuilder()
                    .Input("x", ["N", 12])
                    .Node("Identity", ["x"], [FeatureGraph.Output])
                    .Output(FeatureGraph.Output, ["N", 12])
                    .Build(13),
                mean
            )
            .CutAt(TransferModel.ProbabilitiesOutput);
        float[] expected = mean.Predict(table),
            given = Ort.Run(graph, ("x", [.. table.Values], [table.Rows, 12]))[TransferModel.ProbabilitiesOutput];
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], given[i], 1e-4, "the kernel's sums in another order");
    }

    [TestMethod]
    public void Predict_RowsOfAnotherWidth_AreRefused()
    {
        var head = new MeanHead(
            new LinearHead(["a", "b"], 1, [1, -1], [0, 0]),
            new LinearHead(["a", "b"], 2, [0, 1, 1, 0], [0, 0])
        );
        Assert.Contains(
            "rows of 3 features",
            Assert.ThrowsExactly<ArgumentException>(() => head.Logits(new float[4], new float[2])).Message
        );
    }

    private static float[] Logits(IHead head, FeatureTable table)
    {
        float[] logits = new float[table.Rows * head.ClassNames.Count];
        head.Logits(table.Values, logits);
        return logits;
    }
}
