using static MlNetTransfer.Graphs.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Graphs.Tests.Differentiation.Operators;

[TestClass]
public sealed class BasicGradientTests
{
    [TestMethod]
    public void Backward_AgainstTorch_Agrees() => GradientCheck.AgainstTorch(
        Node("relu", "Relu", "F.relu(x)", ["x:3,4,5"]) with { Differences = false },
        Node("relu of zeros, tiny and large", "Relu", "F.relu(x)", ["x:1,6"]) with { Values = new Dictionary<string, float[]> { ["x"] = [0, -0f, 1e-20f, -1e-20f, 1e20f, -1e20f] }, Differences = false },
        Node("global average pool", "GlobalAveragePool", "x.mean((2, 3), keepdim=True)", ["x:2,3,4,5"]),
        Graph("broadcast gradient of a pool meets another", "F.relu(x).mean((2, 3), keepdim=True) + F.relu(x)", ["x:2,3,4,5"],
            g => g.Node("Relu", ["x"], ["r"]).Node("GlobalAveragePool", ["r"], ["p"]).Node("Add", ["p", "r"], ["y"])) with { Differences = false });
}
