using static MlNetTransfer.Graphs.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Graphs.Tests.Differentiation.Operators;

[TestClass]
public sealed class BatchNormalizationGradientTests
{
    private static readonly Dictionary<string, float[]> Variance = new() { ["v"] = [0.5f, 2, 1, 0] };

    [TestMethod]
    public void Backward_AgainstTorch_Agrees() => GradientCheck.AgainstTorch(
        Node("inference", "BatchNormalization", "F.batch_norm(x, m, v, s, b, eps=1e-3)", ["x:3,4,5,2", "s:4", "b:4", "m:4", "v:4"], Attributes.Of("epsilon", 1e-3f)) with { Values = Variance, Wanted = ["x", "s", "b"] },
        Node("inference on [N, C]", "BatchNormalization", "F.batch_norm(x, m, v, s, b)", ["x:3,4", "s:4", "b:4", "m:4", "v:4"]) with { Values = new Dictionary<string, float[]> { ["v"] = [0.5f, 2, 1, 0.1f] }, Wanted = ["x", "s", "b"] },
        OfTheBatch("of the batch", "F.batch_norm(x, m, v, s, b, training=True)", "x:3,4,5,2", ["x", "s", "b"]),
        OfTheBatch("of the batch, input only", "F.batch_norm(x, m, v, s, b, training=True)", "x:3,4,5", ["x"]),
        Folded("conv and norm", bias: false), Folded("conv with bias and norm", bias: true));

    private static GradientCase OfTheBatch(string name, string torch, string x, string[] wanted) =>
        Graph(name, torch, [x, "s:4", "b:4", "m:4", "v:4"], g => g.Node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y", "mean", "variance"], Attributes.Of("training_mode", 1), Attributes.Of("momentum", 0f)))
            with
        { Wanted = wanted, Values = Variance };

    /// <summary>Statistics are read when the graph is made, so the case declares them itself.</summary>
    private static GradientCase Folded(string name, bool bias) =>
        Graph(name, $"F.batch_norm(F.conv2d(x, w, {(bias ? "c" : "None")}, padding=1), torch.tensor([0.5, -1, 0]).double(), torch.tensor([0.5, 2, 1]).double(), s, b)", ["x:2,3,5,4", "w:3,3,3,3", "s:3", "b:3", .. bias ? new[] { "c:3" } : []],
            g => g.Initializer("m", [0.5f, -1, 0], 3).Initializer("v", [0.5f, 2, 1], 3).Node("Conv", bias ? ["x", "w", "c"] : ["x", "w"], ["h"], Attributes.Of("pads", [1, 1, 1, 1])).Node("BatchNormalization", ["h", "s", "b", "m", "v"], ["y"]));
}
