using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Quantization;

/// <summary>A layer as the graph has it.</summary>
/// <param name="Node">The node.</param>
/// <param name="Weights">Its weights.</param>
/// <param name="Bias">Its bias [channels]; null where it has none.</param>
/// <param name="Axis">The axis of the weights that the output channels lie on.</param>
internal sealed record LayerNode(NodeProto Node, TensorProto Weights, TensorProto? Bias, int Axis)
{
    public int Channels => (int)Weights.Dims[Axis];

    /// <summary>Weights that lie together for a channel.</summary>
    public int Inner => (int)Weights.Dims.Skip(Axis + 1).Aggregate(1L, (a, b) => a * b);

    /// <summary>The layer of a node; null where the node has none that can be run on bytes.</summary>
    public static LayerNode? Of(NodeProto node, IReadOnlyDictionary<string, TensorProto> constants)
    {
        if (!OperatorSets.IsDefault(node.Domain) || node.Input.Count < 2 || constants.ContainsKey(node.Input[0]))
            return null;
        if (
            !constants.TryGetValue(node.Input[1], out TensorProto? weights)
            || weights.DataType != (int)DataType.Float
            || weights.Dims.Any(d => d < 1)
        )
            return null;
        TensorProto? bias = null;
        if (node.Input.Count > 2 && node.Input[2].Length > 0 && !constants.TryGetValue(node.Input[2], out bias))
            return null;
        int? axis = node.OpType switch
        {
            "Conv" when weights.Dims.Count is 3 or 4 or 5 => 0,
            "Gemm" when IsPlain(node) && weights.Dims.Count == 2 => Int(node, "transB") == 0 ? 1 : 0,
            "MatMul" when weights.Dims.Count == 2 => 1,
            _ => null,
        };
        if (
            axis is not { } a
            || (
                bias is not null
                && (bias.DataType != (int)DataType.Float || bias.Dims is not [var size] || size != weights.Dims[a])
            )
        )
            return null;
        return new LayerNode(node, weights, bias, a);
    }

    private static bool IsPlain(NodeProto gemm) =>
        Int(gemm, "transA") == 0 && Factor(gemm, "alpha") == 1 && Factor(gemm, "beta") == 1;

    private static long Int(NodeProto node, string name) => node.Attribute.FirstOrDefault(a => a.Name == name)?.I ?? 0;

    private static float Factor(NodeProto node, string name) =>
        node.Attribute.FirstOrDefault(a => a.Name == name)?.F ?? 1;
}
