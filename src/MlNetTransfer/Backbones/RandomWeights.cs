using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Backbones;

/// <summary>
/// The same architecture with random weights: the baseline that shows what the pretrained weights are worth.
/// </summary>
/// <remarks>
/// Weights of convolutions and matrix products are drawn from N(0, 2 / fan-in) (He et al., Delving Deep into
/// Rectifiers, 2015), fan-in being the inputs of one output; biases are 0; batch norms are the identity. Other
/// constants stay as they are.
/// </remarks>
public static class RandomWeights
{
    /// <summary>Draws new weights for a model.</summary>
    /// <param name="model">The model; not changed.</param>
    /// <param name="seed">Equal seeds give equal weights.</param>
    public static OnnxModel Draw(OnnxModel model, int seed)
    {
        var rng = new Rng(seed);
        return model.With(proto =>
        {
            var initializers = proto.Graph.Initializer.ToDictionary(i => i.Name);
            var drawn = new HashSet<string>();
            foreach (NodeProto node in proto.Graph.Node)
                for (int input = 1; input < node.Input.Count; input++)
                    if (initializers.TryGetValue(node.Input[input], out TensorProto? tensor) && drawn.Add(tensor.Name))
                        Redraw(node, input, tensor, rng);
        });
    }

    private static void Redraw(NodeProto node, int input, TensorProto tensor, Rng rng)
    {
        if (tensor.DataType != (int)TensorProto.Types.DataType.Float)
            return;
        long[] shape = [.. tensor.Dims];
        long count = shape.Aggregate(1L, (a, b) => a * b);
        Func<float>? next = (node.OpType, input) switch
        {
            ("Conv", 1) => He(count / shape[0]),
            ("Gemm", 1) => He(IsTransposed(node) ? shape[1] : shape[0]),
            ("MatMul", 1) => He(shape[^2]),
            ("Conv" or "Gemm", 2) or ("BatchNormalization", 2 or 3) => () => 0,
            ("BatchNormalization", 1 or 4) => () => 1,
            _ => null,
        };
        if (next is null)
            return;
        var values = new float[count];
        for (int i = 0; i < values.Length; i++)
            values[i] = next();
        TensorProto fresh = TensorData.Floats(tensor.Name, values, shape);
        tensor.FloatData.Clear();
        tensor.RawData = fresh.RawData;

        Func<float> He(long fanIn)
        {
            float deviation = MathF.Sqrt(2f / fanIn);
            return () => deviation * (float)rng.NextNormal();
        }
    }

    private static bool IsTransposed(NodeProto gemm) => gemm.Attribute.Any(a => a.Name == "transB" && a.I != 0);
}
