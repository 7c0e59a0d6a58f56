using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

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
