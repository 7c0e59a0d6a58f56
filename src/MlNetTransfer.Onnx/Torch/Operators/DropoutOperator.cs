using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Dropout: active in train().</summary>
internal sealed class DropoutOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Dropout"];

    public void Convert(TorchNode node)
    {
        if (node.OutputCount > 1 && node.Output(1).Length > 0)
            throw node.Unsupported("an output of its mask");
        float ratio = node.Opset >= 12 ? node.Single(1) ?? 0.5f : node.Float("ratio", 0.5f);
        node.Call("dropout", node.Value(0), new TorchArgument.Real(ratio), new TorchArgument.Training());
    }
}
