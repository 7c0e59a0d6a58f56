using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>
/// Conv. A following Add of one number per channel becomes its bias; padding that differs between sides is a pad of its
/// own.
/// </summary>
internal sealed class ConvOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Conv"];

    public void Convert(TorchNode node)
    {
        if (node.Constant(1) is not { } weight)
            throw node.Unsupported("a computed weight");
        Window window = Window.Of(node, [.. weight.Shape.Skip(2)]);
        if (weight.Transposed)
            throw node.Unsupported("a transposed weight");
        long groups = node.Int("group", 1),
            outputs = weight.Shape[0];
        Constant? bias = node.HasInput(2) ? node.Constant(2) ?? throw node.Unsupported("a computed bias") : null;
        if (bias is null && node.OnlyUser is { OpType: "Add" } add && Bias(node, add, outputs) is { } added)
            (node, bias) = (node.Absorb(add), added);
        TorchArgument x = window.IsSymmetric
            ? node.Value(0)
            : node.Step("constant_pad_nd", node.Value(0), window.Pads, new TorchArgument.Real(0));
        Pair padding = window.IsSymmetric ? window.Begin : Pair.Zero;
        List<LayerTensor> tensors = [new("weight", weight, weight.Shape)];
        if (bias is not null)
            tensors.Add(new("bias", bias, [outputs]));
        node.Layer(
            new Conv2dLayer(
                weight.Shape[1] * groups,
                outputs,
                window.Kernel,
                window.Stride,
                padding,
                window.Dilation,
                groups,
                bias is not null
            ),
            x,
            tensors,
            "conv"
        );
    }

    private static Constant? Bias(TorchNode node, NodeProto add, long outputs)
    {
        int other = add.Input[0] == node.Output() ? 1 : 0;
        return
            node.Peek(add).Constant(other) is { } constant
            && constant.Count == outputs
            && constant.Shape is [1, _, 1, 1] or [_, 1, 1]
            && !constant.Transposed
            ? constant
            : null;
    }
}
