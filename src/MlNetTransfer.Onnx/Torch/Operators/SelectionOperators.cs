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

/// <summary>Gather: one position, several known ones, or rows of a table by computed numbers.</summary>
internal sealed class GatherOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Gather"];

    public void Convert(TorchNode node)
    {
        int axis = node.Axis("axis", 0);
        bool known = node.Constant(1) is not null || node.KnowsIntegers(1);
        if (!known)
        {
            if (axis != 0 || node.Rank != 2)
                throw node.Unsupported("computed positions on another axis than the rows of a table");
            node.Call("embedding", node.Value(0), node.Value(1));
            return;
        }

        long[] positions = node.Integers(1)!;
        int rank = node.Shape(1).Length;
        if (rank > 1)
            throw node.Unsupported("positions of rank 2 or more");
        long size =
            node.Shape()[axis]
            ?? (positions.All(p => p >= 0) ? 0 : throw node.Unsupported("a position from the end of the batch"));
        positions = [.. positions.Select(p => p < 0 ? p + size : p)];
        if (rank == 0)
            node.Call(
                "select",
                node.Value(0),
                new TorchArgument.Integer(axis),
                new TorchArgument.Integer(positions[0])
            );
        else if (
            positions.Length > 1
            && Enumerable.Range(1, positions.Length - 1).All(i => positions[i] == positions[i - 1] + 1)
        )
            node.Call(
                "narrow",
                node.Value(0),
                new TorchArgument.Integer(axis),
                new TorchArgument.Integer(positions[0]),
                new TorchArgument.Integer(positions.Length)
            );
        else
            node.Call("index_select", node.Value(0), new TorchArgument.Integer(axis), node.Value(1));
    }
}
