using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Onnx.Tests.Training;

[TestClass]
public sealed class MemoryEstimateTests
{
    /// <summary>x [N, 1000] → Relu(x·w) with w [1000, 1000] → p [1000, 2]: counted by hand.</summary>
    [TestMethod]
    public void Of_TwoLayers_IsWhatTheShapesSay()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 1000])
            .Initializer("w", new float[1_000_000], 1000, 1000)
            .Initializer("p", new float[2000], 1000, 2)
            .Node("MatMul", ["x", "w"], ["h"])
            .Node("Relu", ["h"], ["r"])
            .Node("MatMul", ["r", "p"], ["logits"])
            .Output("logits", ["N", 2])
            .Build();
        TrainingStepBuilder builder = new(
            model,
            new TrainingOptions
            {
                Objectives = [new Objective { Logits = "logits" }],
                Groups = [new ParameterGroup { Name = "all", Parameters = ["w", "p"] }],
            }
        );
        MemoryEstimate small = MemoryEstimate.Of(builder.Build(8)),
            large = MemoryEstimate.Of(builder.Build(4096));
        Assert.AreEqual(2 * 4 * 1_002_000, small.State, "weights and momentum");
        Assert.AreEqual(small.State, large.State);
        Assert.IsTrue(small.Constants < 1000, $"{small.Constants}: no weight is a constant");
        // Alive at the widest point of the small batch: the gradient of w, and what the step makes of it; of the large
        // one: r, its mask, its gradient.
        Assert.AreEqual(2 * 4_000_000.0, small.Activations, 0.6 * 4_000_000);
        Assert.AreEqual(3 * 4 * 4096 * 1000.0, large.Activations, 4 * 4096 * 1000);
        Assert.AreEqual(small.Total, small.Activations + small.State + small.Constants + small.Inputs);
    }

    /// <summary>
    /// 8 rows: x of 4, targets and logits of 2 and 3 columns, row weights and a learning rate. A second objective on the
    /// same logits is fed its targets alone.
    /// </summary>
    [TestMethod]
    public void Of_SeveralObjectives_CountsWhatEachIsFedAndGives()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 4])
            .Initializer("p", new float[8], 4, 2)
            .Initializer("q", new float[12], 4, 3)
            .Node("MatMul", ["x", "p"], ["a"])
            .Node("MatMul", ["x", "q"], ["b"])
            .Output("a", ["N", 2])
            .Output("b", ["N", 3])
            .Build();
        long Inputs(params Objective[] objectives) =>
            MemoryEstimate
                .Of(
                    new TrainingStepBuilder(
                        model,
                        new TrainingOptions
                        {
                            Objectives = objectives,
                            Groups = [new ParameterGroup { Name = "all", Parameters = ["p", "q"] }],
                        }
                    ).Build(8)
                )
                .Inputs;
        Objective a = new() { Logits = "a" },
            b = new() { Logits = "b" };
        Assert.AreEqual(4 * (8 * (4 + 2 * 2 + 2 * 3 + 1) + 1), Inputs(a, b));
        Assert.AreEqual(4 * (8 * (4 + 2 * 2 + 2 * 3 + 1 + 2) + 1), Inputs(a, b, a));
    }
}
