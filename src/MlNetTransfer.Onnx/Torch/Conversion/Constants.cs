using Google.Protobuf.Collections;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Torch.Conversion;

/// <summary>A constant of a graph.</summary>
/// <param name="Tensor">Where its values are.</param>
/// <param name="Shape">Its shape; where it is not the tensor's, of as many elements.</param>
/// <param name="Transposed">Whether it is the tensor, a matrix, transposed.</param>
/// <param name="Named">Whether it is an initializer, whose name says what it is.</param>
internal sealed record Constant(TensorProto Tensor, IReadOnlyList<long> Shape, bool Transposed, bool Named)
{
    /// <summary>Elements.</summary>
    public long Count => Shape.Aggregate(1L, (a, b) => a * b);

    /// <summary>The only element of a float constant of one.</summary>
    public float Single => TensorData.ToFloats(Tensor)[0];
}

/// <summary>The constants of a graph, those seen through a Transpose, Reshape, Squeeze or Unsqueeze included.</summary>
internal sealed class Constants
{
    private readonly Dictionary<string, Constant> known = [];

    public Constants(OnnxModel model, GraphTrace trace)
    {
        foreach (TensorProto tensor in model.Initializers)
            known[tensor.Name] = new Constant(tensor, [.. tensor.Dims], Transposed: false, Named: true);
        foreach (NodeProto node in model.TopologicalOrder())
        {
            if (node.OpType == "Constant" && Value(node) is { } value)
                known[node.Output[0]] = new Constant(value, [.. value.Dims], Transposed: false, Named: false);
            else if (
                node.Input.Count > 0
                && known.TryGetValue(node.Input[0], out Constant? source)
                && View(node, source, trace) is { } view
            )
                known[node.Output[0]] = view;
        }
    }

    /// <summary>The constant under a name; null where the tensor is computed.</summary>
    public Constant? Of(string tensor) => known.GetValueOrDefault(tensor);

    private static TensorProto? Value(NodeProto node)
    {
        AttributeProto attribute = node.Attribute[0];
        return attribute.Name switch
        {
            "value" => attribute.T,
            "value_float" => TensorData.Floats("", [attribute.F]),
            "value_floats" => TensorData.Floats("", Values(attribute.Floats), attribute.Floats.Count),
            "value_int" => TensorData.Longs("", [attribute.I]),
            "value_ints" => TensorData.Longs("", Values(attribute.Ints), attribute.Ints.Count),
            _ => null,
        };
    }

    private static T[] Values<T>(RepeatedField<T> field) => [.. field];

    private static Constant? View(NodeProto node, Constant source, GraphTrace trace)
    {
        switch (node.OpType)
        {
            case "Reshape"
            or "Squeeze"
            or "Unsqueeze"
            or "Flatten" when !source.Transposed && trace.IsConstant(node.Output[0]):
                return source with { Shape = [.. trace.Shape(node.Output[0]).Select(d => d!.Value)] };
            case "Transpose" when source.Shape.Count == 2 && source.Tensor.Dims.Count == 2:
                AttributeProto? perm = node.Attribute.FirstOrDefault(a => a.Name == "perm");
                return perm is null || perm.Ints.SequenceEqual([1L, 0L])
                    ? source with
                    {
                        Shape = [source.Shape[1], source.Shape[0]],
                        Transposed = !source.Transposed,
                    }
                    : source;
            case "Identity":
                return source;
            default:
                return null;
        }
    }
}

/// <summary>
/// Values of integer tensors that do not depend on the input: found by running the graph on zeros, most of which ONNX
/// Runtime folds away.
/// </summary>
internal static class IntegerValues
{
    /// <param name="model">A model whose inputs have fixed shapes.</param>
    /// <param name="tensors">Tensors of int64, int32 or bool, at least one.</param>
    public static Dictionary<string, (DataType Type, long?[] Values)> Of(OnnxModel model, IReadOnlyList<string> tensors)
    {
        OnnxModel cut = GraphCut.At(model, tensors, typed: false);
        try
        {
            using OrtSession session = new(cut.ToBytes(), OrtSettings.Default, "the model");
            using IDisposableReadOnlyCollection<OrtValue> results = session.RunOnZeros(tensors);
            return tensors.Zip(results).ToDictionary(r => r.First, r => Read(r.First, r.Second));
        }
        catch (Exception e) when (OrtSession.Said(e) is { } said)
        {
            throw new GraphException(
                $"The model cannot be run to find the values of {string.Join(", ", tensors.Take(3))}: {said}",
                e
            );
        }
    }

    private static (DataType Type, long?[] Values) Read(string name, OrtValue value)
    {
        TensorElementType type = value.GetTensorTypeAndShape().ElementDataType;
        return type switch
        {
            TensorElementType.Int64 => (DataType.Int64, Longs<long>(value, v => v)),
            TensorElementType.Int32 => (DataType.Int32, Longs<int>(value, v => v)),
            TensorElementType.Bool => (DataType.Bool, Longs<bool>(value, v => v ? 1 : 0)),
            _ => throw new GraphException($"'{name}' is {type}, not integers."),
        };
    }

    private static long?[] Longs<T>(OrtValue value, Func<T, long> number)
        where T : unmanaged => [.. value.GetTensorDataAsSpan<T>().ToArray().Select(v => (long?)number(v))];
}
