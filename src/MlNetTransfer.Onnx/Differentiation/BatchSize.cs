using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>Fixes the batch size of a model.</summary>
internal static class BatchSize
{
    /// <summary>
    /// The model with the first dimension of every input set, its nodes sorted, and the shapes it declared for the open
    /// batch size dropped.
    /// </summary>
    public static OnnxModel Fix(OnnxModel model, int batchSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        IReadOnlyList<NodeProto> order = model.TopologicalOrder();
        HashSet<string> defaults = [.. model.Initializers.Select(i => i.Name)];
        return model.With(proto =>
        {
            NodeProto[] sorted = [.. order.Select(n => n.Clone())];
            proto.Graph.Node.Clear();
            proto.Graph.Node.AddRange(sorted);
            ValueInfoProto[] inputs = [.. proto.Graph.Input.Where(i => !defaults.Contains(i.Name))];
            proto.Graph.Input.Clear();
            proto.Graph.Input.AddRange(inputs.Select(i => Fixed(i, batchSize).ToValueInfo(i.Name)));
            proto.Graph.ValueInfo.Clear();
            ValueInfoProto[] outputs = [.. proto.Graph.Output.Select(o => new ValueInfoProto { Name = o.Name })];
            proto.Graph.Output.Clear();
            proto.Graph.Output.AddRange(outputs);
        });
    }

    private static TensorShape Fixed(ValueInfoProto input, int batchSize)
    {
        TensorShape shape =
            TensorShape.From(input)
            ?? throw new GraphException(
                $"Input '{input.Name}' states no shape; a training step needs one. Export the model with the shape "
                    + $"of its input."
            );
        if (shape.Rank == 0)
            return shape;
        if (shape.Dimensions.Skip(1).Any(d => d.Size is null))
            throw new GraphException(
                $"Input '{input.Name}' is {shape}; only the batch size, the first dimension, may be open. Export "
                    + $"the model with a fixed image size."
            );
        if (shape.Dimensions[0].Size is { } size && size != batchSize)
            throw new GraphException(
                $"Input '{input.Name}' is {shape}: its batch size is fixed at {size}, not {batchSize}. Export the "
                    + $"model with an open batch size, or train with batches of {size}."
            );
        return shape with { Dimensions = [batchSize, .. shape.Dimensions.Skip(1)] };
    }
}
