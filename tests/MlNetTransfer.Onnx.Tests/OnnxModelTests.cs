using Google.Protobuf;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests;

[TestClass]
public sealed class OnnxModelTests
{
    [TestMethod]
    public void Save_ThenLoad_GivesEqualModelAndBytes()
    {
        using TempFolder folder = new();
        OnnxModel model = Models.Chain().WithMetadata("labels", "a;b").WithMetadata("labels", "c");
        model.Save(folder.File("m.onnx"));
        OnnxModel loaded = OnnxModel.Load(folder.File("m.onnx"));
        Assert.AreEqual(model.Proto, loaded.Proto);
        CollectionAssert.AreEqual(model.ToBytes(), loaded.ToBytes());
        Assert.AreEqual("c", loaded.Metadata["labels"]);
        Assert.AreEqual(17, loaded.OpsetVersion());
        Assert.AreEqual("Float [N, 2]", loaded.DeclaredShape("x")!.ToString());
    }

    /// <summary>Copies of a model share bytes; a list of floats they would copy. Oracle: the values.</summary>
    [TestMethod]
    public void Parse_WeightsAsAListOfFloats_AreKeptAsBytes()
    {
        float[] values = [1.5f, -2, float.NegativeInfinity, 0, 3e-41f, 7];
        OnnxModel model = new GraphBuilder("lists")
            .Input("x", ["N", 2])
            .Initializer("w", values, 2, 3)
            .Node("MatMul", ["x", "w"], ["y"])
            .Output("y", ["N", 3])
            .Build();
        ModelProto listed = model.ToProto();
        TensorProto weight = listed.Graph.Initializer[0];
        weight.ClearRawData();
        weight.FloatData.AddRange(values);
        OnnxModel parsed = OnnxModel.Parse(listed.ToByteArray());
        Assert.AreEqual(model.Proto, parsed.Proto);
        Assert.AreSame(parsed.Proto.Graph.Initializer[0].RawData, parsed.ToProto().Graph.Initializer[0].RawData);

        weight.FloatData.Add(1);
        TensorProto wrong = OnnxModel.Parse(listed.ToByteArray()).Initializers[0];
        Assert.HasCount(7, wrong.FloatData, "what does not fit its shape stays, for whoever reads it to say so");
        Assert.ThrowsExactly<GraphException>(() => TensorData.ToFloats(wrong));
    }

    [TestMethod]
    [DataRow("", "an empty file")]
    [DataRow("# not a model\nhello world\n", "is not an ONNX model")]
    [DataRow("{\"modelTopology\": {}}", "is not an ONNX model")]
    public void Load_FileThatIsNotOnnx_NamesTheFile(string text, string reason)
    {
        using TempFolder folder = new();
        string path = folder.File("notes.txt");
        File.WriteAllText(path, text);
        GraphException error = Assert.ThrowsExactly<GraphException>(() => OnnxModel.Load(path));
        StringAssert.Contains(error.Message, path);
        StringAssert.Contains(error.Message, reason);
    }

    /// <summary>
    /// A file cut short anywhere is refused, except at the two field ends after which every required part is there.
    /// </summary>
    [TestMethod]
    public void Parse_EveryPrefix_IsRefusedOrComplete()
    {
        byte[] bytes = Models.Chain().ToBytes();
        int accepted = 0;
        for (int length = 0; length < bytes.Length; length++)
        {
            try
            {
                OnnxModel.Parse(bytes[..length]);
                accepted++;
            }
            catch (GraphException error)
            {
                StringAssert.Contains(error.Message, "not an ONNX model");
            }
        }

        Assert.AreEqual(0, accepted);
    }

    [TestMethod]
    public void Load_MissingFile_NamesIt() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => OnnxModel.Load("/nowhere/model.onnx")).Message,
            "/nowhere/model.onnx"
        );

    [TestMethod]
    public void Load_LargerThanTheLimit_IsRefused()
    {
        using TempFolder folder = new();
        Models.Chain().Save(folder.File("m.onnx"));
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() =>
                    OnnxModel.Load(folder.File("m.onnx"), new OnnxLimits { MaxBytes = 100 })
                )
                .Message,
            "at most 100"
        );
    }

    [TestMethod]
    public void Parse_NestingBomb_IsRefused()
    {
        GraphProto graph = new() { Name = "g" };
        for (int i = 0; i < 200; i++)
            graph = new GraphProto
            {
                Node =
                {
                    new NodeProto { OpType = "If", Attribute = { Attributes.Of("then_branch", graph) } },
                },
            };
        byte[] bytes = new ModelProto
        {
            IrVersion = 8,
            Graph = graph,
            OpsetImport = { new OperatorSetIdProto { Version = 17 } },
        }.ToByteArray();
        Assert.ThrowsExactly<GraphException>(() => OnnxModel.Parse(bytes));
        using TempFolder folder = new();
        File.WriteAllBytes(folder.File("bomb.onnx"), bytes);
        Assert.ThrowsExactly<GraphException>(() => OnnxModel.Load(folder.File("bomb.onnx")));
    }

    [TestMethod]
    public void Save_WriteFailsHalfway_KeepsTheOldFileAndLeavesNoTemporary()
    {
        using TempFolder folder = new();
        string path = folder.File("m.onnx");
        File.WriteAllText(path, "old");
        GraphException error = Assert.ThrowsExactly<GraphException>(() =>
            AtomicFile.Write(
                path,
                stream =>
                {
                    stream.Write(new byte[100_000]);
                    throw new IOException("No space left on device");
                }
            )
        );
        StringAssert.Contains(error.Message, path);
        StringAssert.Contains(error.Message, "No space left");
        Assert.AreEqual("old", File.ReadAllText(path));
        CollectionAssert.AreEqual(new[] { path }, Directory.GetFiles(folder.Path));
    }

    [TestMethod]
    public void Save_FolderMissing_NamesTheFile()
    {
        using TempFolder folder = new();
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => Models.Chain().Save(folder.File("none/m.onnx"))).Message,
            "none/m.onnx"
        );
    }

    [TestMethod]
    public void With_Edit_LeavesTheOriginalAsItWas()
    {
        OnnxModel model = Models.Chain();
        byte[] before = model.ToBytes();
        OnnxModel edited = model
            .With(p => p.Graph.Node[0].OpType = "Div")
            .RenameTensor("a", "c")
            .RemoveUnusedInitializers()
            .CutAt("c")
            .WithOpset(17)
            .WithMetadata("k", "v");
        Assert.AreEqual("Div", edited.Nodes[0].OpType);
        CollectionAssert.AreEqual(before, model.ToBytes());
    }
}
