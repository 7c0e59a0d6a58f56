using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Training;

/// <summary>Batch normalisation with the statistics of the batch, and the running statistics it updates.</summary>
internal static class BatchStatistics
{
    /// <summary>
    /// Switches the nodes that a trained parameter reaches; they give mean and variance of the batch as further
    /// outputs.
    /// </summary>
    /// <param name="model">The model in inference mode.</param>
    /// <param name="parameters">Parameters to train.</param>
    /// <param name="layers">The nodes that were switched.</param>
    public static OnnxModel Apply(
        OnnxModel model,
        IReadOnlyCollection<string> parameters,
        out IReadOnlyList<NormalizedLayer> layers
    )
    {
        HashSet<string> around = Dependence.Around(model.TopologicalOrder(), parameters);
        Dictionary<string, TensorProto> constants = model.Initializers.ToDictionary(i => i.Name);
        List<NormalizedLayer> found = [];
        OnnxModel switched = model.With(proto =>
        {
            GraphEmitter graph = new(proto.Graph, model.OpsetVersion()) { Scope = "statistics" };
            foreach (
                NodeProto node in proto
                    .Graph.Node.Where(n =>
                        n.OpType == "BatchNormalization"
                        && OperatorSets.IsDefault(n.Domain)
                        && around.Contains(n.Output[0])
                    )
                    .ToArray()
            )
            {
                TensorProto mean = Initializer(constants, node, 3),
                    variance = Initializer(constants, node, 4);
                float keep = node.Attribute.FirstOrDefault(a => a.Name == "momentum")?.F ?? 0.9f;
                foreach (
                    AttributeProto old in node.Attribute.Where(a => a.Name is "momentum" or "training_mode").ToArray()
                )
                    node.Attribute.Remove(old);
                // At momentum 0 the running statistics that come out are those of the batch.
                node.Attribute.AddRange([Attributes.Of("training_mode", 1), Attributes.Of("momentum", 0f)]);
                // ONNX Runtime writes the outgoing statistics into the memory of the incoming ones, even of constants,
                // and makes one constant of equal ones: so each differs from all others.
                foreach (int input in (int[])[3, 4])
                {
                    float[] values = new float[mean.Dims[0]];
                    Array.Fill(values, 2 * found.Count + input);
                    node.Input[input] = graph.NewName(node.Output[0]);
                    proto.Graph.Initializer.Add(TensorData.Floats(node.Input[input], values, values.Length));
                }

                while (node.Output.Count < 3)
                    node.Output.Add(graph.NewName(node.Output[0]));
                found.Add(new NormalizedLayer(node.Input[0], mean, variance, node.Output[1], node.Output[2], keep));
            }
        });
        layers = found;
        return switched;
    }

    /// <summary>
    /// Appends new = keep · old + (1 - keep) · batch; the variance of the batch is multiplied by n / (n - 1), which
    /// makes it unbiased.
    /// </summary>
    public static IEnumerable<StateTensor> Append(
        GraphEmitter graph,
        ICollection<ValueInfoProto> inputs,
        IReadOnlyList<NormalizedLayer> layers,
        StaticGraph forward
    )
    {
        foreach (NormalizedLayer layer in layers)
        {
            graph.Scope = "statistics";
            long[] shape = forward.Shape(layer.Input);
            double n = shape.Aggregate(1.0, (a, b) => a * b) / shape[1];
            if (n < 2)
                throw new GraphException(
                    $"Batch normalisation of '{layer.Input}' {string.Join(" x ", shape)} sees one value per "
                        + $"channel, which has no variance. Use batches of 2 or more, or "
                        + $"{nameof(BatchNormalizationMode)}.{nameof(BatchNormalizationMode.Inference)}."
                );
            yield return Update(graph, inputs, layer.Mean, layer.BatchMean, layer.Keep, 1);
            yield return Update(graph, inputs, layer.Variance, layer.BatchVariance, layer.Keep, n / (n - 1));
        }
    }

    /// <summary>The state of one running statistic.</summary>
    public static StateTensor State(TensorProto old) =>
        new(StateRole.Statistic, old.Name, $"running/{old.Name}", $"next/running/{old.Name}", [.. old.Dims], old);

    private static StateTensor Update(
        GraphEmitter graph,
        ICollection<ValueInfoProto> inputs,
        TensorProto old,
        string batch,
        float keep,
        double scale
    )
    {
        StateTensor state = State(old);
        graph.Reserve(state.Input);
        graph.Reserve(state.Output!);
        inputs.Add(Differentiator.Float(state.Input, state.Shape));
        graph.NodeNamed(
            state.Output!,
            "Add",
            [graph.Mul(state.Input, keep), graph.Mul(batch, (float)((1 - keep) * scale))]
        );
        return state;
    }

    private static TensorProto Initializer(Dictionary<string, TensorProto> constants, NodeProto node, int input) =>
        constants.TryGetValue(node.Input[input], out TensorProto? value)
            ? value
            : throw new GraphException(
                $"{NodeOrder.Describe(node)} computes its statistics '{node.Input[input]}'; training mode needs "
                    + $"initializers. Use {nameof(BatchNormalizationMode)}.{nameof(BatchNormalizationMode.Inference)}."
            );
}
