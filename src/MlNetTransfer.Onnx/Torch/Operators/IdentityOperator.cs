using MlNetTransfer.Onnx.Torch.Conversion;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Identity, gone.</summary>
internal sealed class IdentityOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Identity"];

    public void Convert(TorchNode node) => node.Same();
}
