using MlNetTransfer.Onnx.Torch.Conversion;

namespace MlNetTransfer.Onnx.Torch.Operators;

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
