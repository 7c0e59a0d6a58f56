using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;
using MlNetTransfer.Onnx.Torch.Modules;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Activations with attributes. Sigmoid becomes SiLU where its input is multiplied by it.</summary>
internal sealed class ActivationOperators : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } =
    ["Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "Selu", "Sigmoid", "Softplus"];

    public void Convert(TorchNode node)
    {
        TorchArgument x = node.Value(0);
        switch (node.Operator)
        {
            case "Elu":
                node.Call("elu", x, Real(node.Float("alpha", 1)));
                break;
            case "LeakyRelu":
                node.Call("leaky_relu", x, Real(node.Float("alpha", 0.01f)));
                break;
            case "HardSigmoid"
                when Math.Abs(node.Float("alpha", 0.2f) - 1 / 6f) < 1e-6f && node.Float("beta", 0.5f) == 0.5f:
                node.Call("hardsigmoid", x);
                break;
            case "HardSigmoid":
                TorchArgument line = node.Step(
                    "add",
                    node.Step("mul", x, Real(node.Float("alpha", 0.2f))),
                    Real(node.Float("beta", 0.5f))
                );
                node.Call("clamp", line, Real(0), Real(1));
                break;
            case "Gelu" when node.Text("approximate", "none") != "none":
                throw node.Unsupported("an approximation");
            case "Selu"
                when Math.Abs(node.Float("alpha", 1.6732632f) - 1.6732632f) > 1e-6f
                    || Math.Abs(node.Float("gamma", 1.050701f) - 1.050701f) > 1e-6f:
                throw node.Unsupported("constants of its own");
            case "Sigmoid" when node.OnlyOtherUse is { } product:
                node.Absorb(product).Call("silu", x);
                break;
            default:
                node.Call(node.Operator.ToLowerInvariant(), x);
                break;
        }
    }

    private static TorchArgument.Real Real(double value) => new TorchArgument.Real(value);
}

/// <summary>
/// Arithmetic with broadcasting, a constant of one element written as a number; Max and Min of several; Mean and Sum of
/// several.
/// </summary>
internal sealed class BinaryOperators : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Add", "Div", "Max", "Mean", "Min", "Mul", "Pow", "Sub", "Sum"];

    public void Convert(TorchNode node)
    {
        switch (node.Operator)
        {
            case "Max" or "Min" or "Sum" or "Mean":
                Several(node);
                break;
            case "Div" when Patterns.Gelu(node):
                break;
            case "Add" or "Mul" when node.IsNumber(0):
                node.Call(Name(node), node.Value(1), node.ValueOrNumber(0));
                break;
            case "Sub" when node.IsNumber(0):
                node.Call("rsub", node.Value(1), node.ValueOrNumber(0));
                break;
            case "Div" when node.IsNumber(0):
                node.Call("mul", node.Step("reciprocal", node.Value(1)), node.ValueOrNumber(0));
                break;
            default:
                node.Call(Name(node), node.Value(0), node.ValueOrNumber(1));
                break;
        }
    }

    private static void Several(TorchNode node)
    {
        string name = node.Operator switch
        {
            "Max" => "maximum",
            "Min" => "minimum",
            _ => "add",
        };
        if (node.InputCount == 1)
            node.Same();
        TorchArgument sum = node.Value(0);
        for (int i = 1; i < node.InputCount; i++)
        {
            if (i == node.InputCount - 1 && node.Operator != "Mean")
                node.Call(name, sum, node.Value(i));
            else
                sum = node.Step(name, sum, node.Value(i));
        }

        if (node.Operator == "Mean" && node.InputCount > 1)
            node.Call("mul", sum, new TorchArgument.Real(1.0 / node.InputCount));
    }

    private static string Name(TorchNode node) => node.Operator.ToLowerInvariant();
}

/// <summary>Functions of one tensor that torch has under almost the same name.</summary>
internal sealed class UnaryOperators : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } =
    [
        "Abs",
        "Ceil",
        "Cos",
        "Erf",
        "Exp",
        "Floor",
        "Log",
        "Neg",
        "Reciprocal",
        "Relu",
        "Round",
        "Sign",
        "Sin",
        "Sqrt",
        "Tanh",
    ];

    public void Convert(TorchNode node) => node.Call(node.Operator.ToLowerInvariant(), node.Value(0));
}

/// <summary>Clip; between 0 and 6 it is ReLU6, whose gradient at the limits is 0 as in torch's.</summary>
internal sealed class ClipOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Clip"];

    public void Convert(TorchNode node)
    {
        float? low = node.Single(1) ?? (node.Opset < 11 ? node.Float("min", float.MinValue) : null),
            high = node.Single(2) ?? (node.Opset < 11 ? node.Float("max", float.MaxValue) : null);
        (low, high) = (low <= float.MinValue ? null : low, high >= float.MaxValue ? null : high);
        if (low is 0 && high is 6)
            node.Call("relu6", node.Value(0));
        else if (low is 0 && high is null)
            node.Call("relu", node.Value(0));
        else if (low is null && high is null)
            node.Same();
        else if (low is null)
            node.Call("clamp_max", node.Value(0), new TorchArgument.Real(high!.Value));
        else if (high is null)
            node.Call("clamp_min", node.Value(0), new TorchArgument.Real(low.Value));
        else
            node.Call("clamp", node.Value(0), new TorchArgument.Real(low.Value), new TorchArgument.Real(high.Value));
    }
}

/// <summary>PRelu with one slope, or one per channel.</summary>
internal sealed class PReluOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["PRelu"];

    public void Convert(TorchNode node)
    {
        if (node.Constant(1) is not { Transposed: false } slope)
            throw node.Unsupported("computed slopes");
        bool channels =
            slope.Count == 1
            || (
                slope.Count == node.Shape()[1]
                && slope.Shape.Count >= node.Rank - 1
                && slope.Shape[slope.Shape.Count - node.Rank + 1] == slope.Count
            );
        if (!channels)
            throw node.Unsupported($"slopes of shape [{string.Join(", ", slope.Shape)}]");
        node.Layer(new PReluLayer(slope.Count), node.Value(0), [new("weight", slope, [slope.Count])], "prelu");
    }
}

/// <summary>Softmax and LogSoftmax over one axis.</summary>
internal sealed class SoftmaxOperators : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["LogSoftmax", "Softmax"];

    public void Convert(TorchNode node)
    {
        int axis = node.Axis("axis", node.Opset < 13 ? 1 : -1);
        // Before operator set 13 the axes from this one on were one.
        if (node.Opset < 13 && axis != node.Rank - 1)
            throw node.Unsupported("several axes at once");
        node.Call(
            node.Operator == "Softmax" ? "softmax" : "log_softmax",
            node.Value(0),
            new TorchArgument.Integer(axis)
        );
    }
}

/// <summary>Comparisons, and Where that uses them.</summary>
internal sealed class WhereOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } =
    ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Where"];

    public void Convert(TorchNode node)
    {
        string name = node.Operator switch
        {
            "Equal" => "eq",
            "Greater" => "gt",
            "GreaterOrEqual" => "ge",
            "Less" => "lt",
            "LessOrEqual" => "le",
            _ => "where",
        };
        if (name == "where")
            node.Call(name, node.Value(0), node.Value(1), node.Value(2));
        else
            node.Call(name, node.Value(0), node.ValueOrNumber(1));
    }
}

/// <summary>Cast to float32 or int64; nothing where the tensor has the type.</summary>
internal sealed class CastOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Cast"];

    public void Convert(TorchNode node)
    {
        var to = (DataType)node.Int("to", 0);
        if (node.InputType() == to)
            node.Same();
        else if (to is DataType.Float)
            node.Call("float", node.Value(0));
        else if (to is DataType.Int64)
            node.Call("long", node.Value(0));
        else
            throw node.Unsupported($"a conversion to {to}");
    }
}
