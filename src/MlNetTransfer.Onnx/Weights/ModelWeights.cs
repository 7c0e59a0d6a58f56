using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Weights;

/// <summary>Which initializers of a model are weights or statistics, rather than settings of its operators.</summary>
internal static class ModelWeights
{
    /// <summary>Operators whose inputs but the first say how they work.</summary>
    private static readonly HashSet<string> Set = ["Resize", "Upsample", "Pad", "Clip", "ConstantOfShape"];

    /// <summary>Operators whose inputs but the first are weights or statistics, however few.</summary>
    private static readonly HashSet<string> Weighted =
    [
        "Conv",
        "ConvTranspose",
        "FusedConv",
        "Gemm",
        "FusedGemm",
        "MatMul",
        "FusedMatMul",
        "BatchNormalization",
        "LayerNormalization",
        "InstanceNormalization",
        "GroupNormalization",
        "PRelu",
    ];

    /// <summary>
    /// The real initializers of layers and normalisations, and those of more than one element that any node computes
    /// with. Bounds, scales of sizes, single numbers, shapes and indices are none.
    /// </summary>
    public static IEnumerable<TensorProto> Of(OnnxModel model)
    {
        HashSet<string> weights = [],
            computed = [];
        foreach (NodeProto node in Subgraphs.NodesAnywhere(model.Proto.Graph))
            if (Weighted.Contains(node.OpType))
                weights.UnionWith(node.Input);
            else
                computed.UnionWith(Set.Contains(node.OpType) ? node.Input.Take(1) : node.Input);
        return model.Initializers.Where(i =>
            (DataType)i.DataType is DataType.Float or DataType.Float16 or DataType.Bfloat16 or DataType.Double
            && (weights.Contains(i.Name) || (computed.Contains(i.Name) && i.Dims.Aggregate(1L, (a, b) => a * b) > 1))
        );
    }
}
