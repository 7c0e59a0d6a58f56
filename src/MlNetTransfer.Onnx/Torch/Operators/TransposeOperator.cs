using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Transpose.</summary>
internal sealed class TransposeOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Transpose"];

    public void Convert(TorchNode node) =>
        node.Call(
            "permute",
            node.Value(0),
            new TorchArgument.Integers(
                node.Ints("perm") ?? [.. Enumerable.Range(0, node.Rank).Select(i => (long)i).Reverse()]
            )
        );
}
