using MlNetTransfer.Graphs.Torch.Conversion;

namespace MlNetTransfer.Graphs.Torch.Operators;

/// <summary>Identity, gone.</summary>
internal sealed class IdentityOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Identity"];

    public void Convert(TorchNode node) => node.Same();
}
