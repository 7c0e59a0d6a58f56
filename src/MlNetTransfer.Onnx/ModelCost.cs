using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx;

/// <summary>What a model holds and computes, counted from its graph.</summary>
public static class ModelCost
{
    /// <summary>
    /// Elements of all weights: constants of floating-point or 8-bit type, those of attributes and subgraphs included.
    /// Integers of 32 and 64 bits are sizes, not weights.
    /// </summary>
    public static long Parameters(OnnxModel model) =>
        ExternalData.TensorsOf(model.Proto).Where(IsWeight).Sum(t => t.Dims.Aggregate(1L, (a, b) => a * b));

    /// <summary>Bytes of the values of all constants and weights.</summary>
    public static long WeightBytes(OnnxModel model) => model.WeightBytes;

    /// <summary>
    /// Multiply-adds of one run with a batch of one: Conv, ConvTranspose, Gemm and MatMul and their quantized forms;
    /// all else is left out, as is customary. Makes a session.
    /// </summary>
    /// <returns>The count; null where a shape is open even then, or an operator has no stated shape.</returns>
    /// <exception cref="GraphException">ONNX Runtime cannot load the model.</exception>
    public static long? MultiplyAdds(OnnxModel model)
    {
        OnnxModel one = BatchOfOne(model);
        NodeProto[] nodes = [.. one.Nodes.Where(n => Operands(n) is not null)];
        if (nodes.Length == 0)
            return 0;
        Dictionary<string, TensorShape> shapes = one.Initializers.ToDictionary(
            i => i.Name,
            i => new TensorShape((DataType)i.DataType, [.. i.Dims.Select(d => new Dimension(d))])
        );
        foreach (ValueInfoProto input in one.Inputs)
            if (TensorShape.From(input) is { } shape)
                shapes[input.Name] = shape;
        string[] asked =
        [
            .. nodes
                .SelectMany(n =>
                    new[] { n.Output[0], n.Input[Operands(n)!.Value.Data], n.Input[Operands(n)!.Value.Weight] }
                )
                .Distinct()
                .Where(t => !shapes.ContainsKey(t)),
        ];
        foreach ((string name, TensorShape shape) in TensorShapes.Of(one, asked))
            shapes[name] = shape;
        long sum = 0;
        foreach (NodeProto node in nodes)
        {
            if (Count(node, shapes) is not { } count)
                return null;
            sum += count;
        }

        return sum;
    }

    private static bool IsWeight(TensorProto tensor) =>
        (DataType)tensor.DataType
            is DataType.Float
                or DataType.Double
                or DataType.Float16
                or DataType.Bfloat16
                or DataType.Int8
                or DataType.Uint8;

    /// <summary>Places of the data and the weight among the inputs of an operator that is counted.</summary>
    private static (int Data, int Weight)? Operands(NodeProto node) =>
        node.OpType switch
        {
            "Conv" or "ConvInteger" or "ConvTranspose" or "Gemm" or "MatMul" or "MatMulInteger" => (0, 1),
            "QLinearConv" or "QLinearMatMul" => (0, 3),
            _ => null,
        };

    private static long? Count(NodeProto node, Dictionary<string, TensorShape> shapes)
    {
        (int data, int weight) = Operands(node)!.Value;
        if (
            Sizes(shapes[node.Output[0]]) is not { } output
            || Sizes(shapes[node.Input[data]]) is not { } input
            || Sizes(shapes[node.Input[weight]]) is not { } weights
        )
            return null;
        // Every weight of a kernel meets each of its positions; a transposed one is moved over the input, the others
        // over the output.
        if (node.OpType == "ConvTranspose")
            return Product(input) * Product(weights[1..]);
        if (node.OpType.Contains("Conv", StringComparison.Ordinal))
            return Product(output) * Product(weights[1..]);
        bool transposed = node.Attribute.FirstOrDefault(a => a.Name == "transA")?.I == 1;
        return Product(output) * input[transposed ? 0 : input.Length - 1];
    }

    private static long[]? Sizes(TensorShape shape) =>
        shape.Dimensions.All(d => d.Size is not null) ? [.. shape.Dimensions.Select(d => d.Size!.Value)] : null;

    private static long Product(IEnumerable<long> sizes) => sizes.Aggregate(1L, (a, b) => checked(a * b));

    private static OnnxModel BatchOfOne(OnnxModel model) =>
        model.With(proto =>
        {
            foreach (
                TensorShapeProto.Types.Dimension batch in proto
                    .Graph.Input.Select(Batch)
                    .OfType<TensorShapeProto.Types.Dimension>()
            )
                if (!batch.HasDimValue)
                    batch.DimValue = 1;
            // What was stated for an open batch would contradict what is inferred for this one.
            proto.Graph.ValueInfo.Clear();
            foreach (ValueInfoProto output in proto.Graph.Output.Where(o => o.Type?.TensorType is not null))
                output.Type.TensorType.Shape = null;
        });

    private static TensorShapeProto.Types.Dimension? Batch(ValueInfoProto input) =>
        input.Type?.TensorType?.Shape?.Dim.FirstOrDefault();
}
