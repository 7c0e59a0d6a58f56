using Google.Protobuf.Collections;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Torch.Conversion;

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
