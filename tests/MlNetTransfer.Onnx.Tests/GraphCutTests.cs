using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests;

[TestClass]
public sealed class GraphCutTests
{
    [TestMethod]
    public void CutAt_MiddleTensor_KeepsOnlyWhatFeedsIt()
    {
        OnnxModel cut = Models.Chain().CutAt("a");
        CollectionAssert.AreEqual(new[] { "Mul" }, cut.Nodes.Select(n => n.OpType).ToArray());
        CollectionAssert.AreEqual(new[] { "two" }, cut.Initializers.Select(n => n.Name).ToArray());
        Assert.AreEqual("Float [N, 2]", cut.DeclaredShape("a")!.ToString());
    }

    /// <summary>Closed form: a = 2x, b = 2x + (1, -5).</summary>
    [TestMethod]
    public void CutAt_TwoTensors_ComputesBothInTheOrderAsked()
    {
        OnnxModel cut = Models.Chain().CutAt("b", "a", "x", "two");
        CollectionAssert.AreEqual(new[] { "b", "a", "x", "two" }, cut.Outputs.Select(o => o.Name).ToArray());
        Dictionary<string, float[]> values = Ort.Run(cut, ("x", [1, 2, 3, 4], [2, 2]));
        CollectionAssert.AreEqual(new[] { 3f, -1, 7, 3 }, values["b"]);
        CollectionAssert.AreEqual(new[] { 2f, 4, 6, 8 }, values["a"]);
        CollectionAssert.AreEqual(new[] { 1f, 2, 3, 4 }, values["x"]);
    }

    /// <summary>
    /// sum &gt; 0: y = 30x; else y = 3x - 10. Both branches take 'outer' and 'scale' from outside, the else branch
    /// through a nested If.
    /// </summary>
    [TestMethod]
    public void CutAt_BehindAnIf_KeepsWhatItsBranchesCapture()
    {
        OnnxModel cut = Models.Capturing().CutAt("y");
        CollectionAssert.Contains(cut.Initializers.Select(i => i.Name).ToArray(), "scale");
        CollectionAssert.DoesNotContain(cut.Initializers.Select(i => i.Name).ToArray(), "unused");
        CollectionAssert.AreEqual(new[] { 30f, 60 }, Ort.Run(cut, ("x", [1, 2], [2]))["y"]);
        CollectionAssert.AreEqual(new[] { -13f, -16 }, Ort.Run(cut, ("x", [-1, -2], [2]))["y"]);
    }

    [TestMethod]
    public void CutAt_UnsortedNodes_ComeOutSorted()
    {
        OnnxModel shuffled = Models
            .Chain()
            .With(p =>
            {
                NodeProto[] reversed = [.. p.Graph.Node.Reverse()];
                p.Graph.Node.Clear();
                p.Graph.Node.AddRange(reversed);
            });
        CollectionAssert.AreEqual(
            new[] { "Mul", "Add", "Relu" },
            shuffled.CutAt("y").Nodes.Select(n => n.OpType).ToArray()
        );
        CollectionAssert.AreEqual(new[] { 3f, 0 }, Ort.Run(shuffled.CutAt("y"), ("x", [1, 2], [1, 2]))["y"]);
    }

    [TestMethod]
    public void CutAt_UnknownTensor_ListsNearNames()
    {
        OnnxModel model = Models.Capturing();
        GraphException error = Assert.ThrowsExactly<GraphException>(() => model.CutAt("outr"));
        StringAssert.Contains(error.Message, "'outr'");
        StringAssert.Contains(error.Message, "Near names: outer");
    }

    [TestMethod]
    public void TopologicalOrder_Cycle_NamesItsNodes()
    {
        OnnxModel model = Models.Chain().With(p => p.Graph.Node.Single(n => n.OpType == "Mul").Input[0] = "y");
        GraphException error = Assert.ThrowsExactly<GraphException>(() => model.TopologicalOrder());
        StringAssert.Contains(error.Message, "cycle");
        StringAssert.Contains(error.Message, "Mul node 'a'");
    }

    /// <summary>
    /// Oracle: onnx.checker with full shape inference; and python reads the same fields and values as were written.
    /// </summary>
    [TestMethod]
    public void Built_AndCutModels_PassOnnxChecker()
    {
        Python.Require("onnx", "numpy");
        using TempFolder folder = new();
        Models.Chain().WithMetadata("k", "v").Save(folder.File("chain.onnx"));
        Models.Chain().CutAt("b", "a").Save(folder.File("cut.onnx"));
        Models.Capturing().CutAt("y").Save(folder.File("if.onnx"));
        string printed = Python.Run(
            """
            import onnx, sys
            from onnx import numpy_helper
            for name in ('chain', 'cut', 'if'):
                m = onnx.load(f'{sys.argv[1]}/{name}.onnx')
                onnx.checker.check_model(m, full_check=True)
                print(name, m.ir_version, m.opset_import[0].version, m.producer_name, m.graph.name, [(n.op_type, list(n.input), list(n.output)) for n in m.graph.node],
                    [(i.name, numpy_helper.to_array(i).tolist()) for i in m.graph.initializer], [[d.dim_param or d.dim_value for d in o.type.tensor_type.shape.dim] for o in m.graph.output],
                    [(p.key, p.value) for p in m.metadata_props])
            """,
            folder.Path
        );
        string[] lines = printed.Split('\n');
        Assert.AreEqual(
            "chain 8 17 MlNetTransfer chain [('Mul', ['x', 'two'], ['a']), ('Add', ['a', 'one'], ['b']), ('Neg', "
                + "['x'], ['side']), ('Relu', ['b'], ['y'])] [('two', 2.0), ('one', [1.0, -5.0])] [['N', 2], ['N', "
                + "2]] [('k', 'v')]",
            lines[0]
        );
        Assert.AreEqual(
            "cut 8 17 MlNetTransfer chain [('Mul', ['x', 'two'], ['a']), ('Add', ['a', 'one'], ['b'])] [('two', "
                + "2.0), ('one', [1.0, -5.0])] [['N', 2], ['N', 2]] []",
            lines[1]
        );
        StringAssert.StartsWith(lines[2], "if 8 17");
    }

    /// <summary>
    /// Field by field: python parses our bytes and writes them again; nothing may be lost, and both parsers must see
    /// equal messages.
    /// </summary>
    [TestMethod]
    public void Bytes_ThroughPythonOnnx_ComeBackEqual()
    {
        Python.Require("onnx");
        using TempFolder folder = new();
        OnnxModel model = Models.Capturing().WithMetadata("k", "v");
        model.Save(folder.File("m.onnx"));
        Python.Run(
            "import onnx, sys; onnx.save(onnx.load(sys.argv[1]), sys.argv[2])",
            folder.File("m.onnx"),
            folder.File("again.onnx")
        );
        Assert.AreEqual(model.Proto, ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder.File("again.onnx"))));
    }
}
