using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Softmax and LogSoftmax over one axis.</summary>
internal sealed class SoftmaxOperators : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["LogSoftmax", "Softmax"];

    public void Convert(TorchNode node)
    {
        int axis = node.Axis("axis", node.Opset < 13 ? 1 : -1);
        // Before operator set 13 the axes from this one on were one.
        if (node.Opset < 13 && axis != node.Rank - 1)
            throw node.Unsupported("several axes at once");
        node.Call(
            node.Operator == "Softmax" ? "softmax" : "log_softmax",
            node.Value(0),
            new TorchArgument.Integer(axis)
        );
    }
}
