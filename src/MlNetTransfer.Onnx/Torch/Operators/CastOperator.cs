using MlNetTransfer.Onnx.Torch.Conversion;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Cast to float32 or int64; nothing where the tensor has the type.</summary>
internal sealed class CastOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Cast"];

    public void Convert(TorchNode node)
    {
        var to = (DataType)node.Int("to", 0);
        if (node.InputType() == to)
            node.Same();
        else if (to is DataType.Float)
            node.Call("float", node.Value(0));
        else if (to is DataType.Int64)
            node.Call("long", node.Value(0));
        else
            throw node.Unsupported($"a conversion to {to}");
    }
}
