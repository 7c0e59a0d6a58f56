using System.Buffers.Binary;
using Google.Protobuf;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx;

/// <summary>
/// Rewrites a float32 graph so that weights and computation are float16, with float32 inputs and outputs: a Cast stands
/// wherever a tensor passes from the one to the other. Operators that lose much in half precision, or that take float32
/// only, are left in float32.
/// </summary>
/// <remarks>
/// Source of the ranges: IEEE 754-2008, binary16: largest finite value 65504, 11 bits of significand.
/// </remarks>
internal sealed class HalfPrecision
{
    private const float Largest = 65504;

    /// <summary>Sums over many elements, exponentials, and operators whose inputs are float32 by definition.</summary>
    private static readonly HashSet<string> KeptOperators =
    [
        "ArgMax",
        "ArgMin",
        "BatchNormalization",
        "Cast",
        "CastLike",
        "Celu",
        "Constant",
        "ConstantOfShape",
        "CumSum",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "Erf",
        "Exp",
        "EyeLike",
        "GroupNormalization",
        "InstanceNormalization",
        "LRN",
        "LayerNormalization",
        "Log",
        "LogSoftmax",
        "MeanVarianceNormalization",
        "NonMaxSuppression",
        "Pow",
        "QuantizeLinear",
        "Range",
        "Reciprocal",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceMean",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
        "Resize",
        "RoiAlign",
        "ScatterElements",
        "ScatterND",
        "Softmax",
        "Softplus",
        "Sqrt",
        "TopK",
        "Upsample",
    ];

    private readonly GraphProto graph;
    private readonly Dictionary<string, TensorProto> weights;
    private readonly Dictionary<string, DataType> types;
    private readonly HashSet<string> keptTensors,
        taken,
        nodeNames,
        half = [];
    private readonly Dictionary<(string Tensor, bool Half), string> casts = [];
    private readonly List<NodeProto> nodes = [];

    private HalfPrecision(GraphProto graph, Dictionary<string, DataType> types, HashSet<string> keptTensors)
    {
        (this.graph, this.types, this.keptTensors) = (graph, types, keptTensors);
        taken = [.. Subgraphs.DefinedAnywhere(graph)];
        nodeNames = [.. Subgraphs.NodesAnywhere(graph).Select(n => n.Name)];
        weights = graph.Initializer.ToDictionary(i => i.Name);
    }

    /// <param name="model">The model, float32.</param>
    /// <param name="keepFrom">Tensors from which on everything stays in float32; those that the model does not have are
    /// passed over.</param>
    public static OnnxModel Of(OnnxModel model, IReadOnlyCollection<string> keepFrom)
    {
        string[] made = [.. model.Nodes.SelectMany(n => n.Output).Where(o => o.Length > 0)];
        Dictionary<string, DataType> types = TensorShapes
            .Of(model, made)
            .ToDictionary(s => s.Key, s => s.Value.ElementType);
        foreach (ValueInfoProto input in model.Proto.Graph.Input)
            types[input.Name] = (DataType)(input.Type?.TensorType?.ElemType ?? 0);
        foreach (TensorProto weight in model.Initializers)
            types[weight.Name] = (DataType)weight.DataType;
        HashSet<string> kept = [.. keepFrom];
        IReadOnlyList<NodeProto> order = model.TopologicalOrder();
        foreach (NodeProto node in order)
            if (node.Output.Any(kept.Contains) || Subgraphs.NeededBy(node).Any(kept.Contains))
                kept.UnionWith(node.Output);
        return model.With(proto =>
            new HalfPrecision(proto.Graph, types, kept).Rewrite(model, [.. order.Select(n => n.Clone())])
        );
    }

    private void Rewrite(OnnxModel model, IReadOnlyList<NodeProto> order)
    {
        foreach (NodeProto node in order)
        {
            bool isHalf = InHalf(node);
            string[] captured = [.. Subgraphs.Of(node).SelectMany(Subgraphs.CapturedBy)];
            for (int i = 0; i < node.Input.Count; i++)
                if (node.Input[i].Length > 0 && types.GetValueOrDefault(node.Input[i]) == DataType.Float)
                    node.Input[i] = As(node.Input[i], isHalf);
            if (captured.FirstOrDefault(half.Contains) is { } inside)
                throw new GraphException(
                    $"A subgraph of {NodeOrder.Describe(node)} reads '{inside}', which would be float16. Such a "
                        + $"model cannot be converted."
                );
            if (isHalf)
                half.UnionWith(node.Output.Where(o => types.GetValueOrDefault(o) == DataType.Float));
            nodes.Add(node);
        }

        foreach (string output in model.Outputs.Select(o => o.Name).Where(half.Contains).ToArray())
            RestoreOutput(output);
        graph.Node.Clear();
        graph.Node.AddRange(nodes);
        graph.ValueInfo.Clear();
        DropUnused(model);
    }

    private bool InHalf(NodeProto node) =>
        OperatorSets.IsDefault(node.Domain)
        && !KeptOperators.Contains(node.OpType)
        && !Subgraphs.Of(node).Any()
        && !node.Output.Any(keptTensors.Contains)
        && node.Output.Any(o => types.GetValueOrDefault(o) == DataType.Float)
        && !node.Input.Any(i => weights.TryGetValue(i, out TensorProto? w) && Exceeds(w));

    private static bool Exceeds(TensorProto weight) =>
        (DataType)weight.DataType == DataType.Float && TensorData.ToFloats(weight).Any(v => Math.Abs(v) > Largest);

    /// <summary>The name under which a float32 tensor of the original is read in the wanted precision.</summary>
    private string As(string tensor, bool wantsHalf)
    {
        if (half.Contains(tensor) == wantsHalf)
            return tensor;
        if (casts.TryGetValue((tensor, wantsHalf), out string? known))
            return known;
        string name = casts[(tensor, wantsHalf)] = Name($"{tensor}/{(wantsHalf ? "half" : "single")}");
        if (weights.TryGetValue(tensor, out TensorProto? weight) && graph.Input.All(i => i.Name != tensor))
            graph.Initializer.Add(Half(name, weight));
        else
            nodes.Add(Cast(tensor, name, wantsHalf ? DataType.Float16 : DataType.Float));
        return name;
    }

    /// <summary>An output keeps its name and type; what makes it gives another tensor.</summary>
    private void RestoreOutput(string output)
    {
        string name = Name($"{output}/half");
        foreach (NodeProto node in nodes)
        {
            for (int i = 0; i < node.Output.Count; i++)
                if (node.Output[i] == output)
                    node.Output[i] = name;
            for (int i = 0; i < node.Input.Count; i++)
                if (node.Input[i] == output)
                    node.Input[i] = name;
        }

        nodes.Add(Cast(name, output, DataType.Float));
    }

    private void DropUnused(OnnxModel model)
    {
        HashSet<string> used = [.. graph.Node.SelectMany(Subgraphs.NeededBy), .. model.Outputs.Select(o => o.Name)];
        foreach (TensorProto weight in graph.Initializer.Where(i => !used.Contains(i.Name)).ToArray())
        {
            graph.Initializer.Remove(weight);
            foreach (ValueInfoProto input in graph.Input.Where(i => i.Name == weight.Name).ToArray())
                graph.Input.Remove(input);
        }
    }

    private string Name(string wanted)
    {
        string name = NameAllocator.First(wanted, taken);
        taken.Add(name);
        return name;
    }

    private NodeProto Cast(string from, string to, DataType type)
    {
        string name = NameAllocator.First(to, nodeNames);
        nodeNames.Add(name);
        return new NodeProto
        {
            OpType = "Cast",
            Name = name,
            Input = { from },
            Output = { to },
            Attribute = { Attributes.Of("to", (long)type) },
        };
    }

    private static TensorProto Half(string name, TensorProto weight)
    {
        float[] values = TensorData.ToFloats(weight);
        byte[] bytes = new byte[2 * values.Length];
        for (int i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(2 * i), (System.Half)values[i]);
        TensorProto tensor = new()
        {
            Name = name,
            DataType = (int)DataType.Float16,
            RawData = UnsafeByteOperations.UnsafeWrap(bytes),
        };
        tensor.Dims.AddRange(weight.Dims);
        return tensor;
    }
}
