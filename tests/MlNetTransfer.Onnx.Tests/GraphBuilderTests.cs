using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Tests;

[TestClass]
public sealed class GraphBuilderTests
{
    [TestMethod]
    public void Build_InputMadeByNothing_ListsNearNames()
    {
        GraphBuilder builder = new GraphBuilder().Input("image", [1]).Node("Relu", ["imge"], ["y"]).Output("y", [1]);
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => builder.Build()).Message,
            "'imge' of Relu node 'y' is made by nothing. Near names: image"
        );
    }

    [TestMethod]
    public void Build_NewerOperator_IsRefused() =>
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() =>
                    new GraphBuilder().Input("x", [1]).Node("Gelu", ["x"], ["y"]).Output("y", [1]).Build(17)
                )
                .Message,
            "needs operator set 20"
        );

    [TestMethod]
    public void Node_SecondProducerOfATensor_IsRefused() =>
        Assert.ThrowsExactly<GraphException>(() => new GraphBuilder().Input("x", [1]).Node("Relu", ["x"], ["x"]));

    [TestMethod]
    public void Initializer_WrongCount_IsRefused() =>
        StringAssert.Contains(
            Assert
                .ThrowsExactly<ArgumentException>(() => new GraphBuilder().Initializer("w", [1f, 2, 3], 2, 2))
                .Message,
            "needs 4 values, not 3"
        );

    [TestMethod]
    public void Initializer_RawData_IsLittleEndianRowMajor()
    {
        CollectionAssert.AreEqual(
            new byte[] { 0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0 },
            TensorData.Floats("w", [1f, -2f], 2).RawData.ToByteArray()
        );
        CollectionAssert.AreEqual(
            new byte[] { 0xFE, 255, 255, 255, 255, 255, 255, 255 },
            TensorData.Longs("w", [-2]).RawData.ToByteArray()
        );
    }

    [TestMethod]
    public void TensorData_EveryStorage_ReadsBack()
    {
        CollectionAssert.AreEqual(new[] { 1.5f, -2f }, TensorData.ToFloats(TensorData.Floats("w", [1.5f, -2f], 2)));
        CollectionAssert.AreEqual(
            new[] { 1.5f },
            TensorData.ToFloats(
                new Onnx.Proto.TensorProto
                {
                    DataType = (int)DataType.Float16,
                    Dims = { 1 },
                    Int32Data = { 0x3E00 },
                }
            )
        );
        CollectionAssert.AreEqual(
            new[] { 1.5f },
            TensorData.ToFloats(new Onnx.Proto.TensorProto { DataType = (int)DataType.Double, DoubleData = { 1.5 } })
        );
        CollectionAssert.AreEqual(new long[] { -2, 3 }, TensorData.ToLongs(TensorData.Longs("w", [-2, 3], 2)));
        CollectionAssert.AreEqual(
            new long[] { -2 },
            TensorData.ToLongs(new Onnx.Proto.TensorProto { DataType = (int)DataType.Int32, Int32Data = { -2 } })
        );
        Assert.ThrowsExactly<GraphException>(() => TensorData.ToFloats(TensorData.Longs("w", [1])));
        Assert.ThrowsExactly<GraphException>(() =>
            TensorData.ToFloats(
                new Onnx.Proto.TensorProto
                {
                    DataType = (int)DataType.Float,
                    Dims = { 2 },
                    FloatData = { 1 },
                }
            )
        );
    }

    /// <summary>Closed form: VALID 3x3 at stride 2 on 9x7 gives 4x3.</summary>
    [TestMethod]
    public void TensorShapes_Convolution_InfersSizesAndKeepsTheBatchSymbolic()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 3, 9, 7])
            .Initializer("w", new float[5 * 3 * 3 * 3], 5, 3, 3, 3)
            .Node("Conv", ["x", "w"], ["c"], Attributes.Of("strides", [2, 2]))
            .Node("Relu", ["c"], ["y"])
            .Node("Shape", ["y"], ["s"])
            .Output("s", [4], DataType.Int64)
            .Build();
        IReadOnlyDictionary<string, TensorShape> shapes = TensorShapes.Of(model, "c", "y", "s");
        Assert.AreEqual("Float [N, 5, 4, 3]", shapes["y"].ToString());
        Assert.AreEqual("Float [N, 5, 4, 3]", shapes["c"].ToString());
        Assert.AreEqual("Int64 [4]", shapes["s"].ToString());
        Assert.AreEqual("Float [N, 5, 4, 3]", model.CutAt("c").DeclaredShape("c")!.ToString());
    }
}
