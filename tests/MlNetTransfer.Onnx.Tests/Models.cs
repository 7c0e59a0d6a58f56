using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Tests;

/// <summary>Small models for the tests.</summary>
internal static class Models
{
    /// <summary>x [N, 2] → Mul two → a → Add one → b → Relu → y; beside it unused Neg x → side.</summary>
    public static OnnxModel Chain() =>
        new GraphBuilder("chain")
            .Input("x", ["N", 2])
            .Initializer("two", [2f])
            .Initializer("one", [1f, -5f], 2)
            .Node("Mul", ["x", "two"], ["a"])
            .Node("Add", ["a", "one"], ["b"])
            .Node("Neg", ["x"], ["side"])
            .Node("Relu", ["b"], ["y"])
            .Output("y", ["N", 2])
            .Output("side", ["N", 2])
            .Build();

    /// <summary>
    /// y = (sum of x &gt; 0) ? outer · scale : outer - scale with outer = 3x, where both branches capture outer and
    /// scale, and the else branch through a nested If.
    /// </summary>
    public static OnnxModel Capturing()
    {
        GraphProto then = Body("then", Make("Mul", ["outer", "scale"], "then_y"));
        GraphProto inner = Body("inner", Make("Sub", ["outer", "scale"], "inner_y"));
        NodeProto nested = Make("If", ["flag"], "else_y");
        nested.Attribute.AddRange([Attributes.Of("then_branch", inner), Attributes.Of("else_branch", inner.Clone())]);
        NodeProto choose = Make("If", ["flag"], "y");
        choose.Attribute.AddRange([
            Attributes.Of("then_branch", then),
            Attributes.Of("else_branch", Body("else", nested)),
        ]);
        return new GraphBuilder("capturing")
            .Input("x", [2])
            .Initializer("three", [3f])
            .Initializer("scale", [10f])
            .Initializer("zero", [0f])
            .Initializer("unused", [7f])
            .Node("Mul", ["x", "three"], ["outer"])
            .Node("ReduceSum", ["x"], ["sum"], Attributes.Of("keepdims", 0))
            .Node("Greater", ["sum", "zero_scalar"], ["flag"])
            .Initializer(TensorData.Floats("zero_scalar", [0f]))
            .Node(choose)
            .Node("Neg", ["y"], ["z"])
            .Output("z", [2])
            .Build();
    }

    public static NodeProto Make(string type, string[] inputs, string output)
    {
        NodeProto node = new()
        {
            OpType = type,
            Name = output,
            Output = { output },
        };
        node.Input.AddRange(inputs);
        return node;
    }

    private static GraphProto Body(string name, NodeProto node) =>
        new()
        {
            Name = name,
            Node = { node },
            Output = { new TensorShape(TensorProto.Types.DataType.Float, [2]).ToValueInfo(node.Output[0]) },
        };
}
