using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>DepthToSpace in torch's order of channels.</summary>
internal sealed class DepthToSpaceOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["DepthToSpace"];

    public void Convert(TorchNode node)
    {
        if (node.Text("mode", "DCR") != "CRD")
            throw node.Unsupported("mode 'DCR'");
        node.Call("pixel_shuffle", node.Value(0), new TorchArgument.Integer(node.Int("blocksize", 1)));
    }
}
