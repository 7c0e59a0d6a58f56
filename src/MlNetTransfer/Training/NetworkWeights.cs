using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Training;

/// <summary>
/// Values of trained weights, and running statistics that were updated, by the name of the initializer. Nobody writes
/// to the arrays.
/// </summary>
/// <param name="Values">Values, row-major.</param>
internal sealed record NetworkWeights(IReadOnlyDictionary<string, float[]> Values)
{
    /// <summary>These weights, with others in place of those they name.</summary>
    public NetworkWeights With(IReadOnlyDictionary<string, float[]> others)
    {
        Dictionary<string, float[]> all = new(Values);
        foreach ((string name, float[] value) in others)
            all[name] = value;
        return new NetworkWeights(all);
    }

    /// <summary>(1 - share) · others + share · these, for every weight of these.</summary>
    /// <param name="others">Weights with all names of these.</param>
    /// <param name="share">In [0, 1].</param>
    public NetworkWeights Mixed(NetworkWeights others, float share)
    {
        Dictionary<string, float[]> all = [];
        foreach ((string name, float[] values) in Values)
        {
            float[] from = others.Values[name];
            all[name] = [.. values.Select((v, i) => from[i] + share * (v - from[i]))];
        }

        return new NetworkWeights(all);
    }
}

/// <summary>Which initializers are weights: found from the operators that use them, not from names.</summary>
/// <remarks>
/// Kernels, matrices and biases of layers, scales and shifts of normalisations, slopes, and constants of more than one
/// element that are added to or multiply what a layer has made. Running statistics, sizes and scalars of activation
/// functions are none.
/// </remarks>
internal static class TrainableWeights
{
    /// <summary>Weighted operators: those whose second input makes a layer of them.</summary>
    public static bool IsLayer(NodeProto node) =>
        node.OpType is "Conv" or "ConvTranspose" or "Gemm" or "MatMul" or "FusedConv" or "FusedGemm" or "FusedMatMul";

    /// <summary>Names of the weights that a node uses.</summary>
    /// <param name="node">The node.</param>
    /// <param name="initializers">The float32 initializers of the model by name.</param>
    /// <param name="afterLayer">Whether a layer comes before the node: constants before that are preprocessing.</param>
    public static IEnumerable<string> Of(
        NodeProto node,
        IReadOnlyDictionary<string, TensorProto> initializers,
        bool afterLayer
    )
    {
        for (int i = 0; i < node.Input.Count; i++)
            if (
                initializers.TryGetValue(node.Input[i], out TensorProto? tensor)
                && IsWeight(node.OpType, i, tensor, afterLayer)
            )
                yield return tensor.Name;
    }

    /// <summary>
    /// The float32 initializers by name, but those that serve as something else too: exporters keep equal tensors once,
    /// be they weights or statistics.
    /// </summary>
    public static Dictionary<string, TensorProto> Candidates(OnnxModel model)
    {
        Dictionary<string, TensorProto> found = model
            .Initializers.Where(i => i.DataType == (int)TensorProto.Types.DataType.Float)
            .ToDictionary(i => i.Name);
        foreach (NodeProto node in model.Nodes)
            for (int i = 0; i < node.Input.Count; i++)
                if (
                    found.TryGetValue(node.Input[i], out TensorProto? tensor)
                    && !IsWeight(node.OpType, i, tensor, afterLayer: true)
                )
                    found.Remove(node.Input[i]);
        return found;
    }

    private static bool IsWeight(string type, int input, TensorProto tensor, bool afterLayer) =>
        type switch
        {
            "Conv" or "ConvTranspose" or "FusedConv" => input is 1 or 2,
            "Gemm" or "FusedGemm" => input is 1 or 2,
            "MatMul" or "FusedMatMul" => true,
            "BatchNormalization" or "LayerNormalization" or "InstanceNormalization" or "GroupNormalization" => input
                is 1
                    or 2,
            "PRelu" => input is 1,
            "Add" or "Mul" or "Sub" or "Div" => afterLayer && tensor.Dims.Aggregate(1L, (a, b) => a * b) > 1,
            _ => false,
        };
}
