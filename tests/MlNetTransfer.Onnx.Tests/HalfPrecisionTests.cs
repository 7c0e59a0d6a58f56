using MlNetTransfer.Tests.Shared;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Tests;

[TestClass]
public sealed class HalfPrecisionTests
{
    private static readonly float[] X = [.. Enumerable.Range(0, 2 * 3 * 6 * 6).Select(i => MathF.Sin(i * 0.37f))];

    [TestMethod]
    public void ToHalfPrecision_Network_HasHalfWeightsAndFloatBorders()
    {
        OnnxModel model = Network(1),
            half = model.ToHalfPrecision("features");
        Assert.AreEqual("Float [N, 3, 6, 6]", half.DeclaredShape("x")!.ToString());
        CollectionAssert.AreEqual(
            model.Outputs.Select(o => o.Name).ToArray(),
            half.Outputs.Select(o => o.Name).ToArray()
        );
        Assert.AreEqual(
            DataType.Float16,
            (DataType)half.Initializers.Single(i => i.Name.StartsWith("w/", StringComparison.Ordinal)).DataType
        );
        Assert.AreEqual(
            DataType.Float,
            (DataType)half.Initializers.Single(i => i.Name == "g").DataType,
            "from the features on it is float32"
        );
        foreach (string output in (string[])["y", "map"])
        {
            float[] expected = Ort.Run(model, ("x", X, [2, 3, 6, 6]))[output],
                found = Ort.Run(half, ("x", X, [2, 3, 6, 6]))[output];
            double difference = expected.Zip(found, (a, b) => Math.Abs((double)a - b)).Max(),
                largest = expected.Max(v => Math.Abs(v));
            Assert.IsLessThan(27 * largest / 1024, difference, "27 terms, each rounded to 11 bits");
            Assert.IsGreaterThan(0, difference, "something was rounded");
        }
    }

    [TestMethod]
    public void ToHalfPrecision_WeightBeyondItsRange_StaysFloat()
    {
        OnnxModel half = Network(1e6f).ToHalfPrecision();
        Assert.AreEqual(DataType.Float, (DataType)half.Initializers.Single(i => i.Name == "w").DataType);
        Assert.IsTrue(Ort.Run(half, ("x", [.. X.Select(v => v / 1e5f)], [2, 3, 6, 6]))["y"].All(float.IsFinite));
    }

    private static OnnxModel Network(float scale) =>
        new GraphBuilder()
            .Input("x", ["N", 3, 6, 6])
            .Initializer("w", [.. Enumerable.Range(0, 4 * 27).Select(i => scale * MathF.Cos(i))], 4, 3, 3, 3)
            .Node("Conv", ["x", "w"], ["map"])
            .Node("Relu", ["map"], ["r"])
            .Node("GlobalAveragePool", ["r"], ["p"])
            .Node("Flatten", ["p"], ["features"])
            .Initializer("g", [.. Enumerable.Range(0, 8).Select(i => i - 3.5f)], 4, 2)
            .Node("MatMul", ["features", "g"], ["z"])
            .Node("Softmax", ["z"], ["y"])
            .Output("y", ["N", 2])
            .Output("map", ["N", 4, 4, 4])
            .Build();
}
