using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Expand to a shape known but for the batch.</summary>
internal sealed class ExpandOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Expand"];

    public void Convert(TorchNode node)
    {
        long?[] from = node.Shape(),
            to = node.OutputShape();
        int added = to.Length - from.Length;
        if (Enumerable.Range(0, to.Length).Any(i => to[i] is null && (i < added || from[i - added] is not null)))
            throw node.Unsupported("a size that follows the batch");
        node.Call("expand", node.Value(0), new TorchArgument.Integers([.. to.Select(d => d ?? -1)]));
    }
}
