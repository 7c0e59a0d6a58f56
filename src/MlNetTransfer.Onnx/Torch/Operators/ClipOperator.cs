using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Clip; between 0 and 6 it is ReLU6, whose gradient at the limits is 0 as in torch's.</summary>
internal sealed class ClipOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Clip"];

    public void Convert(TorchNode node)
    {
        float? low = node.Single(1) ?? (node.Opset < 11 ? node.Float("min", float.MinValue) : null),
            high = node.Single(2) ?? (node.Opset < 11 ? node.Float("max", float.MaxValue) : null);
        (low, high) = (low <= float.MinValue ? null : low, high >= float.MaxValue ? null : high);
        if (low is 0 && high is 6)
            node.Call("relu6", node.Value(0));
        else if (low is 0 && high is null)
            node.Call("relu", node.Value(0));
        else if (low is null && high is null)
            node.Same();
        else if (low is null)
            node.Call("clamp_max", node.Value(0), new TorchArgument.Real(high!.Value));
        else if (high is null)
            node.Call("clamp_min", node.Value(0), new TorchArgument.Real(low.Value));
        else
            node.Call("clamp", node.Value(0), new TorchArgument.Real(low.Value), new TorchArgument.Real(high.Value));
    }
}
