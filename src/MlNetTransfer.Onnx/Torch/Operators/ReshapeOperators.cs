using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Everything that only changes the shape: to the shape it was seen to have, the batch left open.</summary>
internal sealed class ReshapeOperators : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Flatten", "Reshape", "Squeeze", "Unsqueeze"];

    public void Convert(TorchNode node)
    {
        long?[] from = node.Shape(),
            to = node.OutputShape();
        if (to.Count(d => d is null) > 1)
            throw node.Unsupported("two sizes that follow the batch");
        if (from.SequenceEqual(to))
            node.Same();
        else if (
            from.Length > 2
            && to.Length == 2
            && from[0] == to[0]
            && (from[0] is null || node.Operator == "Flatten")
        )
            node.Call("flatten", node.Value(0), new TorchArgument.Integer(1), new TorchArgument.Integer(-1));
        else
            node.Call("reshape", node.Value(0), new TorchArgument.Integers([.. to.Select(d => d ?? -1)]));
    }
}
