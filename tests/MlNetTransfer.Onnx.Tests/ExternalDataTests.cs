using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests;

[TestClass]
public sealed class ExternalDataTests
{
    /// <summary>Oracle: python3-onnx writes the external data.</summary>
    [TestMethod]
    public void Load_WrittenByPythonOnnx_ReadsTheValues()
    {
        Python.Require("onnx", "numpy");
        using TempFolder folder = new();
        Python.Run(
            """
            import onnx, sys, numpy as np
            from onnx import helper, numpy_helper, TensorProto
            w = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), 'w')
            v = numpy_helper.from_array(np.arange(3, dtype=np.float32) * 0.5, 'v')
            g = helper.make_graph([helper.make_node('MatMul', ['x', 'w'], ['h']), helper.make_node('Add', ['h', 'v'], ['y'])], 'g',
                [helper.make_tensor_value_info('x', 1, [1, 2])], [helper.make_tensor_value_info('y', 1, [1, 3])], [w, v])
            onnx.save_model(helper.make_model(g, opset_imports=[helper.make_opsetid('', 17)], ir_version=8), sys.argv[1], save_as_external_data=True, all_tensors_to_one_file=True, location='weights.bin', size_threshold=0)
            """,
            folder.File("m.onnx")
        );
        OnnxModel model = OnnxModel.Load(folder.File("m.onnx"));
        CollectionAssert.AreEqual(new[] { 0f, 1, 2, 3, 4, 5 }, TensorData.ToFloats(model.Initializers[0]));
        CollectionAssert.AreEqual(new[] { 3f, 5.5f, 8 }, Ort.Run(model, ("x", [1, 1], [1, 2]))["y"]);
        File.Delete(folder.File("weights.bin"));
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => OnnxModel.Load(folder.File("m.onnx"))).Message,
            "weights.bin"
        );
    }

    [TestMethod]
    [DataRow("/etc/hostname")]
    [DataRow("../secret.bin")]
    [DataRow("sub/../../secret.bin")]
    [DataRow("C:\\secret.bin")]
    [DataRow("link.bin")]
    [DataRow("linkfolder/secret.bin")]
    [DataRow("")]
    public void Load_PathThatLeavesTheFolder_IsRefused(string location)
    {
        using TempFolder folder = new();
        Directory.CreateDirectory(folder.File("model/sub"));
        File.WriteAllBytes(folder.File("secret.bin"), new byte[4]);
        File.CreateSymbolicLink(folder.File("model/link.bin"), folder.File("secret.bin"));
        Directory.CreateSymbolicLink(folder.File("model/linkfolder"), "..");
        Write(folder.File("model/m.onnx"), location);
        GraphException error = Assert.ThrowsExactly<GraphException>(() => OnnxModel.Load(folder.File("model/m.onnx")));
        StringAssert.Contains(error.Message, "'two'");
        StringAssert.Contains(error.Message, "own folder");
    }

    [TestMethod]
    public void Load_LinkThatStaysInside_IsRead()
    {
        using TempFolder folder = new();
        File.WriteAllBytes(folder.File("real.bin"), BitConverter.GetBytes(5f));
        File.CreateSymbolicLink(folder.File("data.bin"), "real.bin");
        Write(folder.File("m.onnx"), "data.bin");
        Assert.AreEqual(5f, TensorData.ToFloats(OnnxModel.Load(folder.File("m.onnx")).Initializers[0])[0]);
    }

    [TestMethod]
    [DataRow("8", null, "should lie at")]
    [DataRow("0", "8", "should lie at")]
    [DataRow("2", "4", "should lie at")]
    [DataRow("2", "2", "need 4")]
    [DataRow("-1", null, "expected a number")]
    [DataRow("0", "999999999999999999999", "expected a number")]
    [DataRow("9223372036854775807", "9223372036854775807", "should lie at")]
    public void Load_OffsetOrLengthWrong_SaysSo(string offset, string? length, string expected)
    {
        using TempFolder folder = new();
        File.WriteAllBytes(folder.File("data.bin"), new byte[4]);
        Write(folder.File("m.onnx"), "data.bin", offset, length);
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => OnnxModel.Load(folder.File("m.onnx"))).Message,
            expected
        );
    }

    [TestMethod]
    public void Parse_BytesWithExternalData_AreRefused()
    {
        using TempFolder folder = new();
        Write(folder.File("m.onnx"), "data.bin");
        Assert.ThrowsExactly<GraphException>(() => OnnxModel.Parse(File.ReadAllBytes(folder.File("m.onnx"))));
    }

    private static void Write(string path, string location, string offset = "0", string? length = null) =>
        Models
            .Chain()
            .With(proto =>
            {
                TensorProto tensor = proto.Graph.Initializer.Single(i => i.Name == "two");
                tensor.ClearRawData();
                tensor.DataLocation = TensorProto.Types.DataLocation.External;
                tensor.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = location });
                tensor.ExternalData.Add(new StringStringEntryProto { Key = "offset", Value = offset });
                if (length is not null)
                    tensor.ExternalData.Add(new StringStringEntryProto { Key = "length", Value = length });
            })
            .Save(path);
}
