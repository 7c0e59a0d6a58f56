using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones.Onnx;

/// <summary>
/// One classifier whose probabilities are written in many ways that compute the same; whatever the last operator is
/// called, what is given must be the softmax of its logits, once.
/// </summary>
[TestClass]
public sealed class ClassifierOutputTests
{
    private static readonly Dictionary<string, Func<GraphBuilder, string>> Endings = new(StringComparer.Ordinal)
    {
        ["logits"] = _ => "logits",
        ["softmax"] = g => Softmax(g),
        ["clip"] = g => g.Next("Clip", [Softmax(g), g.Constant("least", 0), g.Constant("most", 1)]),
        ["times one"] = g => g.Next("Mul", [Softmax(g), g.Constant("one", 1)]),
        ["slice"] = g => g.Next("Slice", [Softmax(g), g.Longs("from", 0), g.Longs("to", 5), g.Longs("axis", 1)]),
        ["gather"] = g => g.Next("Gather", [Softmax(g), g.Longs("all", 0, 1, 2, 3, 4)], Attributes.Of("axis", 1)),
        ["transposed twice"] = g =>
            g.Next(
                "Transpose",
                [g.Next("Transpose", [Softmax(g)], Attributes.Of("perm", [1, 0]))],
                Attributes.Of("perm", [1, 0])
            ),
        ["where"] = g =>
            g.Next("Where", [g.Next("Greater", [Softmax(g), g.Constant("never", -1)]), "softmax", "softmax"]),
        ["exponentials over their sum"] = g =>
            g.Next(
                "Div",
                [
                    g.Next("Exp", ["logits"]),
                    g.Next("ReduceSum", ["exp", g.Longs("classes", 1)], Attributes.Of("keepdims", 1)),
                ]
            ),
        ["mean of two"] = g => g.Next("Mul", [g.Next("Add", [Softmax(g), "softmax"]), g.Constant("half", 0.5f)]),
        ["exp of log-softmax"] = g => g.Next("Exp", [g.Next("LogSoftmax", ["logits"], Attributes.Of("axis", 1))]),
        ["log-softmax"] = g => g.Next("LogSoftmax", ["logits"], Attributes.Of("axis", 1)),
        ["one less the rest"] = g =>
            g.Next("Sub", [g.Constant("whole", 1), g.Next("Sub", [g.Constant("whole_2", 1), Softmax(g)])]),
        ["logits plus nothing"] = g => g.Next("Add", ["logits", g.Constant("nothing", 0)]),
    };

    public static IEnumerable<object[]> Names => Endings.Keys.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void ToProbabilities_AnyEnding_IsTheSoftmaxOnce(string name)
    {
        float[] expected = Ort.Run(
            Ending(g => Softmax(g)),
            (Backbone.InputName, TinyOnnx.Images(1), [1, 3, TinyOnnx.Size, TinyOnnx.Size])
        )["softmax"];
        InspectedBackbone found = OnnxBackboneInspector.Inspect(Ending(Endings[name]), TinyOnnx.Unit);
        float[] probabilities = Probabilities(found);
        for (int c = 0; c < 5; c++)
            // float32 sums in another order.
            Assert.AreEqual(expected[c], probabilities[c], 1e-5f, $"class {c}");
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void ToProbabilities_OneScore_IsThatOfTheSecondOfTwoClasses(bool sigmoid)
    {
        OnnxModel model = Ending(g =>
        {
            string one = g.Next("Slice", ["logits", g.Longs("from", 0), g.Longs("to", 1), g.Longs("axis", 1)]);
            return sigmoid ? g.Next("Sigmoid", [one]) : one;
        });
        InspectedBackbone found = OnnxBackboneInspector.Inspect(model, TinyOnnx.Unit);
        Assert.AreEqual(2, found.Classes);
        float score = Ort.Run(
            Ending(_ => "logits"),
            (Backbone.InputName, TinyOnnx.Images(1), [1, 3, TinyOnnx.Size, TinyOnnx.Size])
        )["logits"][0];
        float[] probabilities = Probabilities(found);
        Assert.AreEqual(1 / (1 + MathF.Exp(-score)), probabilities[1], 1e-5f);
        Assert.AreEqual(1 - probabilities[1], probabilities[0], 1e-6f);
    }

    [TestMethod]
    public void Find_OutputOfIntegers_IsRefusedByName()
    {
        OnnxModel model = Ending(g => g.Next("ArgMax", ["logits"], Attributes.Of("axis", 1)));
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    OnnxBackboneInspector.Inspect(model, TinyOnnx.Unit with { Output = model.Outputs[0].Name })
                )
                .Message,
            "integers or texts, not scores"
        );
    }

    private static string Softmax(GraphBuilder graph)
    {
        graph.Node("Softmax", ["logits"], ["softmax"], Attributes.Of("axis", 1));
        return "softmax";
    }

    private static OnnxModel Ending(Func<GraphBuilder, string> end)
    {
        OnnxModel tiny = TinyOnnx.Model(name: Backbone.InputName);
        GraphBuilder tail = new GraphBuilder("tail").Input("logits", ["N", 5]);
        string output = end(tail);
        if (output == "logits")
            return tiny;
        OnnxModel after = tail.Output(output, ["N", "classes"]).Build(13);
        return after.After(tiny);
    }

    private static float[] Probabilities(InspectedBackbone found) =>
        Ort.Run(
            ClassifierOutput.ToProbabilities(found.Model, found.Classes),
            (Backbone.InputName, TinyOnnx.Images(1), [1, 3, TinyOnnx.Size, TinyOnnx.Size])
        )[ClassifierOutput.Probabilities];
}

file static class Tail
{
    public static string Next(this GraphBuilder graph, string type, string[] inputs, params AttributeProto[] attributes)
    {
        string name = graph.UniqueName(type.ToLowerInvariant());
        graph.Node(type, inputs, [name], attributes);
        return name;
    }

    public static string Constant(this GraphBuilder graph, string name, float value)
    {
        graph.Initializer(name, [value]);
        return name;
    }

    public static string Longs(this GraphBuilder graph, string name, params long[] values)
    {
        graph.Initializer(name, values, values.Length);
        return name;
    }
}
