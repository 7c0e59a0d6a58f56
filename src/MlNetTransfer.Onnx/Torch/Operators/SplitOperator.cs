using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Split into parts of known sizes.</summary>
internal sealed class SplitOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Split"];

    public void Convert(TorchNode node)
    {
        int axis = node.Axis("axis", 0);
        TorchArgument x = node.Value(0);
        long start = 0;
        for (int i = 0; i < node.OutputCount; i++)
        {
            long size = node.OutputShape(i)[axis] ?? throw node.Unsupported("parts of the batch");
            if (node.Output(i).Length > 0)
                node.Call(
                    "narrow",
                    [node.Output(i)],
                    [
                        x,
                        new TorchArgument.Integer(axis),
                        new TorchArgument.Integer(start),
                        new TorchArgument.Integer(size),
                    ]
                );
            start += size;
        }
    }
}
