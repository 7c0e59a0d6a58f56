using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Pools over all positions.</summary>
internal sealed class GlobalPoolOperators : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["GlobalAveragePool", "GlobalMaxPool"];

    public void Convert(TorchNode node)
    {
        TorchArgument.Integers positions = new([.. Enumerable.Range(2, node.Rank - 2).Select(i => (long)i)]);
        if (node.Operator == "GlobalMaxPool")
            node.Call("amax", node.Value(0), positions, new TorchArgument.Flag(true));
        else if (node.Rank == 4)
            node.Call("adaptive_avg_pool2d", node.Value(0), new TorchArgument.Integers([1, 1]));
        else
            node.Call("mean", node.Value(0), positions, new TorchArgument.Flag(true));
    }
}
