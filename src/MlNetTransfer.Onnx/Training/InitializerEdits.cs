using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Training;

/// <summary>Writes trained values back into a model.</summary>
public static class InitializerEdits
{
    /// <summary>The model with new values of some initializers; names, shapes and everything else stay.</summary>
    /// <param name="model">The model; not changed.</param>
    /// <param name="values">Values [product of the initializer's shape] by name, row-major.</param>
    /// <exception cref="GraphException">An initializer does not exist or has another size; the message names
    /// it.</exception>
    public static OnnxModel WithInitializers(this OnnxModel model, IReadOnlyDictionary<string, float[]> values)
    {
        Dictionary<string, TensorProto> all = model.Initializers.ToDictionary(i => i.Name);
        foreach ((string name, float[] data) in values)
        {
            if (!all.TryGetValue(name, out TensorProto? tensor))
                throw new GraphException(
                    $"The model has no initializer '{name}'. Near names: "
                        + $"{string.Join(", ", NearestNames.Of(name, all.Keys))}."
                );
            long count = tensor.Dims.Aggregate(1L, (a, b) => a * b);
            if (count != data.Length)
                throw new GraphException(
                    $"Initializer '{name}' is [{string.Join(", ", tensor.Dims)}], {count} values; {data.Length} "
                        + $"were given. Are the values those of another model?"
                );
        }

        return model.With(proto =>
        {
            for (int i = 0; i < proto.Graph.Initializer.Count; i++)
                if (values.TryGetValue(proto.Graph.Initializer[i].Name, out float[]? data))
                    proto.Graph.Initializer[i] = TensorData.Floats(
                        proto.Graph.Initializer[i].Name,
                        data,
                        [.. proto.Graph.Initializer[i].Dims]
                    );
        });
    }
}
