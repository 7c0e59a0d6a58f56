using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>ConvTranspose with the same padding on both sides.</summary>
internal sealed class ConvTransposeOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["ConvTranspose"];

    public void Convert(TorchNode node)
    {
        if (node.Constant(1) is not { Transposed: false } weight)
            throw node.Unsupported("a computed weight");
        if (node.Text("auto_pad", "NOTSET") is not ("NOTSET" or "VALID") || node.Ints("output_shape") is not null)
            throw node.Unsupported("padding found from its output");
        Window window = Window.Of(node, [.. weight.Shape.Skip(2)]);
        if (!window.IsSymmetric)
            throw node.Unsupported("padding that differs between sides");
        Constant? bias = node.HasInput(2) ? node.Constant(2) ?? throw node.Unsupported("a computed bias") : null;
        long groups = node.Int("group", 1),
            outputs = weight.Shape[1] * groups;
        List<LayerTensor> tensors = [new("weight", weight, weight.Shape)];
        if (bias is not null)
            tensors.Add(new("bias", bias, [outputs]));
        node.Layer(
            new ConvTranspose2dLayer(
                weight.Shape[0],
                outputs,
                window.Kernel,
                window.Stride,
                window.Begin,
                Pair.Of(node.Ints("output_padding") ?? [0, 0]),
                window.Dilation,
                groups,
                bias is not null
            ),
            node.Value(0),
            tensors,
            "deconv"
        );
    }
}
