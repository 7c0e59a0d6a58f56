using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Pad with a constant, by reflection or with the edge.</summary>
internal sealed class PadOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Pad"];

    public void Convert(TorchNode node)
    {
        long[] pads = node.Ints("pads") ?? node.Integers(1) ?? throw node.Unsupported("no pads");
        if (node.HasInput(3))
            throw node.Unsupported("chosen axes");
        int rank = node.Rank;
        if (pads.Length != 2 * rank)
            throw node.Unsupported(FormattableString.Invariant($"{pads.Length} pads for rank {rank}"));
        if (pads.All(p => p == 0))
        {
            node.Same();
            return;
        }

        int first = Enumerable.Range(0, rank).First(i => pads[i] != 0 || pads[i + rank] != 0);
        string mode = node.Text("mode", "constant");
        if (mode != "constant" && (rank != 4 || first < 2))
            throw node.Unsupported($"mode '{mode}' on other axes than height and width");
        if (mode != "constant")
            first = 2;
        TorchArgument list = new TorchArgument.Integers([
            .. Enumerable.Range(first, rank - first).Reverse().SelectMany(i => new[] { pads[i], pads[i + rank] }),
        ]);
        switch (mode)
        {
            case "constant":
                node.Call(
                    "constant_pad_nd",
                    node.Value(0),
                    list,
                    new TorchArgument.Real(node.Single(2) ?? node.Float("value", 0))
                );
                break;
            case "reflect":
                node.Call("reflection_pad2d", node.Value(0), list);
                break;
            case "edge":
                node.Call("replication_pad2d", node.Value(0), list);
                break;
            default:
                throw node.Unsupported($"mode '{mode}'");
        }
    }
}
