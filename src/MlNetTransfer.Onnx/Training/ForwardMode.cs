using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Training;

/// <summary>Puts a model into a known mode, whatever mode it was exported in.</summary>
internal static class ForwardMode
{
    /// <summary>Batch normalisation with running statistics, and Dropout that passes everything.</summary>
    public static OnnxModel Inference(OnnxModel model)
    {
        if (!model.Nodes.Any(n => IsNormalization(n) || n.OpType == "Dropout"))
            return model;
        HashSet<string> used = [.. model.Nodes.SelectMany(Subgraphs.NeededBy)];
        return model.With(proto =>
        {
            foreach (NodeProto node in proto.Graph.Node.Where(n => OperatorSets.IsDefault(n.Domain)))
            {
                if (!IsNormalization(node) && node.OpType != "Dropout")
                    continue;
                if (node.Output.Skip(1).FirstOrDefault(used.Contains) is { } other)
                    throw new GraphException(
                        $"{NodeOrder.Describe(node)} gives '{other}' to other nodes, which only a training graph of "
                            + $"another framework does. Export the model for inference."
                    );
                while (node.Output.Count > 1)
                    node.Output.RemoveAt(node.Output.Count - 1);
                if (node.OpType == "Dropout")
                    Pass(node);
                else if (node.Attribute.FirstOrDefault(a => a.Name == "training_mode") is { } mode)
                    mode.I = 0;
            }
        });
    }

    /// <summary>
    /// Dropout nodes as multiplications by masks [shape of the input], which are new inputs of the model.
    /// </summary>
    /// <param name="model">The model, its batch size open or this one.</param>
    /// <param name="batchSize">Images of a batch.</param>
    /// <param name="masks">The masks that were added.</param>
    public static OnnxModel WithMasks(OnnxModel model, int batchSize, out IReadOnlyList<DropoutMask> masks)
    {
        NodeProto[] nodes = [.. model.Nodes.Where(IsDropout)];
        masks = [];
        if (nodes.Length == 0)
            return model;
        StaticGraph graph = StaticGraph.Of(model, batchSize, [.. nodes.Select(n => n.Input[0])]);
        DropoutMask[] added =
        [
            .. nodes.Select(n => new DropoutMask(
                $"dropout_mask/{n.Output[0]}",
                graph.Shape(n.Input[0]),
                Ratio(n, graph)
            )),
        ];
        masks = added;
        return graph.Model.With(proto =>
        {
            foreach ((NodeProto node, DropoutMask mask) in proto.Graph.Node.Where(IsDropout).Zip(added))
            {
                proto.Graph.Input.Add(Differentiator.Float(mask.Input, mask.Shape));
                Pass(node);
                node.OpType = "Mul";
                node.Input.Add(mask.Input);
                while (node.Output.Count > 1)
                    node.Output.RemoveAt(node.Output.Count - 1);
            }
        });
    }

    private static bool IsDropout(NodeProto node) => node.OpType == "Dropout" && OperatorSets.IsDefault(node.Domain);

    private static bool IsNormalization(NodeProto node) => node.OpType == "BatchNormalization";

    private static void Pass(NodeProto node)
    {
        string x = node.Input[0];
        node.OpType = "Identity";
        node.Input.Clear();
        node.Input.Add(x);
        node.Attribute.Clear();
    }

    private static float Ratio(NodeProto node, StaticGraph graph)
    {
        if (node.Input.Count < 2 || node.Input[1].Length == 0)
            return 0.5f;
        float ratio = graph.Constant(node.Input[1]) is { } value
            ? TensorData.ToFloats(value)[0]
            : throw new GraphException(
                $"{NodeOrder.Describe(node)} computes its ratio; it must be a constant. Export the model with a "
                    + $"fixed dropout ratio."
            );
        return ratio is >= 0 and < 1
            ? ratio
            : throw new GraphException(
                FormattableString.Invariant($"{NodeOrder.Describe(node)} has the ratio {ratio}; it must be in [0, 1).")
            );
    }
}

/// <summary>The mask of one Dropout node: an input of the training graph, drawn anew for every step.</summary>
/// <param name="Input">Name of the input.</param>
/// <param name="Shape">Sizes, outermost first.</param>
/// <param name="Ratio">Share of values that are dropped, in [0, 1).</param>
internal sealed record DropoutMask(string Input, IReadOnlyList<long> Shape, float Ratio)
{
    /// <summary>Fills a mask with 0 (dropped) and 1 / (1 - ratio) (kept); it depends on its arguments alone.</summary>
    /// <param name="mask">Values to fill.</param>
    /// <param name="seed">Seed of the session.</param>
    /// <param name="step">Count of the step.</param>
    /// <param name="part">Which micro-batch of the step, and which mask.</param>
    public void Fill(Span<float> mask, int seed, long step, int part)
    {
        ulong state = Mix(Mix(Mix((uint)seed) ^ (ulong)step) ^ (uint)part);
        float kept = 1 / (1 - Ratio);
        ulong limit = (ulong)(Ratio * 4294967296.0);
        for (int i = 0; i < mask.Length; i++)
            mask[i] = Mix(state + (ulong)i * 0x9E3779B97F4A7C15) >> 32 < limit ? 0 : kept;
    }

    /// <summary>SplitMix64's finaliser (Steele, Lea and Flood, 2014).</summary>
    private static ulong Mix(ulong z)
    {
        z += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}

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

/// <summary>A batch normalisation that uses the statistics of the batch.</summary>
/// <param name="Input">The tensor that is normalised.</param>
/// <param name="Mean">Running mean [channels].</param>
/// <param name="Variance">Running variance [channels].</param>
/// <param name="BatchMean">Tensor of the mean of the batch.</param>
/// <param name="BatchVariance">Tensor of its variance, not corrected for the mean.</param>
/// <param name="Keep">Share of the old statistics that is kept: 0.9 in PyTorch, which calls 0.1 the momentum.</param>
internal sealed record NormalizedLayer(
    string Input,
    TensorProto Mean,
    TensorProto Variance,
    string BatchMean,
    string BatchVariance,
    float Keep
);
