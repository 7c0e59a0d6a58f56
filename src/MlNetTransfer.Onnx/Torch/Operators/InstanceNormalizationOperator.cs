using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>InstanceNormalization by the statistics of each map.</summary>
internal sealed class InstanceNormalizationOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["InstanceNormalization"];

    public void Convert(TorchNode node) =>
        node.Call(
            "instance_norm",
            node.Value(0),
            node.Value(1),
            node.Value(2),
            new TorchArgument.Nothing(),
            new TorchArgument.Nothing(),
            new TorchArgument.Flag(true),
            new TorchArgument.Real(0),
            new TorchArgument.Real(node.Float("epsilon", 1e-5f)),
            new TorchArgument.Flag(false)
        );
}
