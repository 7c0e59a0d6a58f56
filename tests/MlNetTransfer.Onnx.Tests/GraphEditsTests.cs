using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests;

[TestClass]
public sealed class GraphEditsTests
{
    /// <summary>Closed form: mean over the features of relu(2x + (1, -5)).</summary>
    [TestMethod]
    public void Append_Head_ComputesOnTopOfTheModel()
    {
        OnnxModel model = Models
            .Chain()
            .Append(
                [Models.Make("Mul", ["m", "half"], "p"), Models.Make("ReduceMean", ["y"], "m")],
                [TensorData.Floats("half", [0.5f])]
            )
            .CutAt("p");
        Assert.AreEqual(0.75f, Ort.Run(model, ("x", [1, 2], [1, 2]))["p"][0]);
    }

    [TestMethod]
    [DataRow("GroupNormalization", "z", "y", "needs operator set 18")]
    [DataRow("Relu", "b", "y", "already has a tensor 'b'")]
    [DataRow("Relu", "z", "yy", "'yy' of Relu node 'z' is made by nothing. Near names: y")]
    public void Append_ThatCannotWork_SaysWhy(string type, string output, string input, string expected) =>
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() => Models.Chain().Append([Models.Make(type, [input], output)]))
                .Message,
            expected
        );

    [TestMethod]
    public void Append_NodesWrittenForAnotherForm_AreRefused()
    {
        NodeProto mean = Models.Make("ReduceMean", ["y"], "m");
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => Models.Chain().Append([mean], writtenFor: 18)).Message,
            "changed its form at 18"
        );
        Models.Chain().Append([Models.Make("Relu", ["y"], "m")], writtenFor: 18);
    }

    [TestMethod]
    public void Append_ForeignDomain_NeedsAnImport()
    {
        NodeProto fused = Models.Make("FusedMatMul", ["y", "y"], "f");
        fused.Domain = "com.microsoft";
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => Models.Chain().Append([fused])).Message,
            "com.microsoft"
        );
        Assert.AreEqual(1, Models.Chain().WithOpset(1, "com.microsoft").Append([fused]).OpsetVersion("com.microsoft"));
    }

    [TestMethod]
    public void WithOpset_Raise_KeepsMeaningOrRefuses()
    {
        OnnxModel chain = Models.Chain();
        Assert.AreEqual(19, chain.WithOpset(19).OpsetVersion());
        Assert.AreEqual(17, chain.WithOpset(9).OpsetVersion());
        OnnxModel reduced = chain.Append([Models.Make("ReduceMean", ["y"], "m")]);
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => reduced.WithOpset(18)).Message,
            "ReduceMean node 'm'"
        );
    }

    [TestMethod]
    public void RenameTensor_CapturedBySubgraphs_IsRenamedThereToo()
    {
        OnnxModel renamed = Models
            .Capturing()
            .RenameTensor("outer", "inside")
            .RenameTensor("scale", "factor")
            .RenameTensor("z", "result")
            .RenameTensor("x", "image");
        CollectionAssert.AreEqual(new[] { 13f, 16 }, Ort.Run(renamed, ("image", [-1, -2], [2]))["result"]);
        CollectionAssert.AreEqual(new[] { -30f, -60 }, Ort.Run(renamed, ("image", [1, 2], [2]))["result"]);
    }

    [TestMethod]
    public void RenameTensor_TakenOrMissing_IsRefused()
    {
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => Models.Capturing().RenameTensor("outer", "inner_y")).Message,
            "already has"
        );
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => Models.Capturing().RenameTensor("outter", "o")).Message,
            "Near names: outer"
        );
    }

    [TestMethod]
    public void RemoveUnusedInitializers_CapturedOnes_Stay()
    {
        string[] names = [.. Models.Capturing().RemoveUnusedInitializers().Initializers.Select(i => i.Name)];
        CollectionAssert.AreEquivalent(new[] { "three", "scale", "zero_scalar" }, names);
    }

    [TestMethod]
    public void UniqueName_NamesInSubgraphs_AreTaken()
    {
        Assert.AreEqual("inner_y_1", Models.Capturing().UniqueName("inner_y"));
        Assert.AreEqual("free", Models.Capturing().UniqueName("free"));
    }

    /// <summary>Oracle: the schemas of python3-onnx (up to operator set 17).</summary>
    [TestMethod]
    public void OperatorSets_AgainstPythonOnnx_FirstVersionsAgree()
    {
        Python.Require("onnx");
        string printed = Python.Run(
            """
            import onnx.defs
            first = {}
            for s in onnx.defs.get_all_schemas_with_history():
                if s.domain == '': first[s.name] = min(s.since_version, first.get(s.name, 999))
            for name in sorted(first): print(name, first[name])
            """
        );
        foreach (string[] line in printed.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ')))
        {
            int first = int.Parse(line[1], System.Globalization.CultureInfo.InvariantCulture);
            OperatorSets.Require(Models.Make(line[0], [], "y"), Math.Max(first, 6));
            if (first > 6)
                Assert.ThrowsExactly<GraphException>(
                    () => OperatorSets.Require(Models.Make(line[0], [], "y"), first - 1),
                    line[0]
                );
        }
    }
}
