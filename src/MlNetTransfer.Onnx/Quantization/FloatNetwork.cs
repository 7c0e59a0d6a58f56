using System.Runtime.InteropServices;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Quantization;

/// <summary>
/// A network in float32, whatever it was stored in: weights that nodes restore from 8 bits are restored, and float16
/// becomes float32. Its layers can then be quantised as those of any other network; else they would be passed over, and
/// nothing would run on bytes.
/// </summary>
/// <remarks>
/// Restored weights are the same numbers. A float16 network loses its roundings, so its numbers are not the same to the
/// bit; what int8 does to them is far more, and is judged.
/// </remarks>
internal static class FloatNetwork
{
    public static OnnxModel Of(OnnxModel model) => Widened(Restored(model));

    private static OnnxModel Restored(OnnxModel model)
    {
        HashSet<string> inputs = [.. model.Proto.Graph.Input.Select(i => i.Name)],
            constants = [.. model.Initializers.Select(i => i.Name).Where(n => !inputs.Contains(n))];
        string[] weights =
        [
            .. model
                .Nodes.Where(n =>
                    n.OpType == "DequantizeLinear"
                    && OperatorSets.IsDefault(n.Domain)
                    && n.Input.All(i => i.Length == 0 || constants.Contains(i))
                )
                .Select(n => n.Output[0]),
        ];
        if (weights.Length == 0)
            return model;
        TensorProto[] values = ConstantGraph.Evaluate(GraphCut.At(model, weights, typed: false), weights);
        return model
            .With(proto =>
            {
                foreach (NodeProto node in proto.Graph.Node.Where(n => n.Output.Any(weights.Contains)).ToArray())
                    proto.Graph.Node.Remove(node);
                proto.Graph.Initializer.AddRange(values);
            })
            .RemoveUnusedInitializers();
    }

    private static OnnxModel Widened(OnnxModel model) =>
        IsHalf(model.Proto.Graph) && !model.Inputs.Concat(model.Outputs).Any(IsHalf)
            ? model.With(proto => Widen(proto.Graph))
            : model;

    private static bool IsHalf(TensorProto tensor) => tensor.DataType == (int)DataType.Float16;

    private static bool IsHalf(ValueInfoProto value) => value.Type?.TensorType?.ElemType == (int)DataType.Float16;

    private static bool IsHalf(GraphProto graph) =>
        graph.Initializer.Any(IsHalf) || Subgraphs.NodesAnywhere(graph).SelectMany(n => n.Attribute).Any(IsHalf);

    private static bool IsHalf(AttributeProto attribute) =>
        (attribute.Name is "to" or "dtype" && attribute.I == (int)DataType.Float16)
        || (attribute.T is { } tensor && IsHalf(tensor));

    private static void Widen(GraphProto graph)
    {
        for (int i = 0; i < graph.Initializer.Count; i++)
            graph.Initializer[i] = Widen(graph.Initializer[i]);
        foreach (ValueInfoProto value in graph.ValueInfo.Where(IsHalf))
            value.Type.TensorType.ElemType = (int)DataType.Float;
        foreach (AttributeProto attribute in graph.Node.SelectMany(n => n.Attribute))
        {
            if (attribute.G is { } inside)
                Widen(inside);
            if (!IsHalf(attribute))
                continue;
            if (attribute.T is { } tensor)
                attribute.T = Widen(tensor);
            else
                attribute.I = (int)DataType.Float;
        }
    }

    private static TensorProto Widen(TensorProto tensor)
    {
        if (!IsHalf(tensor))
            return tensor;
        ReadOnlySpan<Half> halves =
            tensor.RawData.Length > 0
                ? MemoryMarshal.Cast<byte, Half>(tensor.RawData.Span)
                : [.. tensor.Int32Data.Select(bits => BitConverter.UInt16BitsToHalf((ushort)bits))];
        var values = new float[halves.Length];
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)halves[i];
        return TensorData.Floats(tensor.Name, values, [.. tensor.Dims]);
    }
}
