using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Reductions over known axes.</summary>
internal sealed class ReduceOperators : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } =
    ["ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare"];

    public void Convert(TorchNode node)
    {
        if (node.Operator == "ReduceMean" && Patterns.LayerNorm(node))
            return;
        long[] given = node.Ints("axes") ?? node.Integers(1) ?? [];
        if (given.Length == 0 && node.Int("noop_with_empty_axes", 0) != 0)
        {
            node.Same();
            return;
        }

        long[] axes =
            given.Length == 0
                ? [.. Enumerable.Range(0, node.Rank).Select(i => (long)i)]
                : [.. given.Select(a => (long)TorchNode.FromFront(a, node.Rank))];
        TorchArgument x = node.Value(0),
            over = new TorchArgument.Integers(axes),
            keep = new TorchArgument.Flag(node.Int("keepdims", 1) != 0);
        switch (node.Operator)
        {
            case "ReduceMean":
                node.Call("mean", x, over, keep);
                break;
            case "ReduceSum":
                node.Call("sum", x, over, keep);
                break;
            case "ReduceMax":
                node.Call("amax", x, over, keep);
                break;
            case "ReduceMin":
                node.Call("amin", x, over, keep);
                break;
            case "ReduceSumSquare":
                node.Call("sum", node.Step("mul", x, x), over, keep);
                break;
            default:
                node.Call("sqrt", node.Step("sum", node.Step("mul", x, x), over, keep));
                break;
        }
    }
}
