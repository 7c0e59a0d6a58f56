using MlNetTransfer.Onnx.Torch.Conversion;

namespace MlNetTransfer.Onnx.Torch.Operators;

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
