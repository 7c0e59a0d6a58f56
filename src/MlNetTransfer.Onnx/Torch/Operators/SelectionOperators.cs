using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>ArgMax, ArgMin and TopK.</summary>
internal sealed class SelectionOperators : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["ArgMax", "ArgMin", "TopK"];

    public void Convert(TorchNode node)
    {
        if (node.Operator == "TopK")
        {
            long count = node.Opset >= 10 ? node.Integers(1)![0] : node.Int("k", 1);
            node.Call(
                "topk",
                [node.Output(), node.Output(1)],
                [
                    node.Value(0),
                    new TorchArgument.Integer(count),
                    new TorchArgument.Integer(node.Axis("axis", -1)),
                    new TorchArgument.Flag(node.Int("largest", 1) != 0),
                    new TorchArgument.Flag(node.Int("sorted", 1) != 0),
                ]
            );
            return;
        }

        if (node.Int("select_last_index", 0) != 0)
            throw node.Unsupported("the last of equal values");
        node.Call(
            node.Operator.ToLowerInvariant(),
            node.Value(0),
            new TorchArgument.Integer(node.Axis("axis", 0)),
            new TorchArgument.Flag(node.Int("keepdims", 1) != 0)
        );
    }
}
