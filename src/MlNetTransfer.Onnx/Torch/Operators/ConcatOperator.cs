using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Concat.</summary>
internal sealed class ConcatOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Concat"];

    public void Convert(TorchNode node)
    {
        TorchArgument[] parts = [.. Enumerable.Range(0, node.InputCount).Select(node.Value)];
        if (parts.Length == 1)
            node.Same();
        else if (parts.All(p => p is TorchArgument.Value))
            node.Call(
                "cat",
                new TorchArgument.Values([.. parts.Select(p => ((TorchArgument.Value)p).Name)]),
                new TorchArgument.Integer(node.Axis("axis", 0))
            );
        else
            throw node.Unsupported("a constant among what it joins");
    }
}
