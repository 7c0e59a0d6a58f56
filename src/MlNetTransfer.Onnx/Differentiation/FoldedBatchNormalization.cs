using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>
/// Folds batch normalisation with running statistics into the convolution before it, as nodes on the weights: s = γ /
/// √(σ² + ε), W' = W·s, b' = β + (b - μ)·s. The pass over the activations is gone, and the gradients of W, γ and β
/// follow from that of W' and b' by the ordinary rules, on tensors as small as the weights. Where the weights are more
/// than the activations, as in the last block of a ResNet, the pair stays as it is.
/// </summary>
internal static class FoldedBatchNormalization
{
    /// <summary>
    /// A pair stays as it is where its weights have at least this many times the elements of its output: both ways take
    /// about five passes.
    /// </summary>
    private const double MostWeights = 2;

    /// <summary>Folds the pairs that a trained tensor reaches; the frozen ones are left to the runtime.</summary>
    /// <param name="model">The model, its batch size fixed; not changed.</param>
    /// <param name="around">What <see cref="Dependence.Around"/> found.</param>
    /// <param name="wanted">What is differentiated by. Where that is the scale or shift of a pair and not its kernel,
    /// the pair stays as it is: their gradients take a pass over the activations, that of a folded kernel a product
    /// of matrices.</param>
    /// <param name="outputs">Tensors that have to stay.</param>
    public static OnnxModel Apply(
        OnnxModel model,
        IReadOnlySet<string> around,
        IReadOnlyCollection<string> wanted,
        IReadOnlyCollection<string> outputs
    )
    {
        ILookup<string, NodeProto> users = model
            .Nodes.SelectMany(n => Subgraphs.NeededBy(n).Select(i => (Input: i, Node: n)))
            .ToLookup(e => e.Input, e => e.Node);
        Dictionary<string, TensorProto> constants = model.Initializers.ToDictionary(i => i.Name);
        NodeProto[] pairs =
        [
            .. model
                .Nodes.Where(n =>
                    n.OpType == "Conv"
                    && OperatorSets.IsDefault(n.Domain)
                    && around.Contains(n.Output[0])
                    && !outputs.Contains(n.Output[0])
                )
                .Where(n =>
                    constants.ContainsKey(n.Input[1])
                    && users[n.Output[0]].ToArray() is [var user]
                    && IsFoldable(user, n.Output[0], constants)
                    && (wanted.Contains(n.Input[1]) || !user.Input.Skip(1).Any(wanted.Contains))
                ),
        ];
        if (pairs.Length == 0)
            return model;
        IReadOnlyDictionary<string, TensorShape> shapes = StaticShapes.Of(model, [.. pairs.Select(n => n.Output[0])]);
        HashSet<string> foldable =
        [
            .. pairs
                .Where(n =>
                    Elements(constants[n.Input[1]].Dims)
                    < MostWeights * Elements(shapes[n.Output[0]].Dimensions.Select(d => d.Size!.Value))
                )
                .Select(n => n.Output[0]),
        ];
        if (foldable.Count == 0)
            return model;
        return model.With(proto =>
        {
            GraphEmitter graph = new(proto.Graph, model.OpsetVersion());
            foreach (
                NodeProto conv in proto
                    .Graph.Node.Where(n => n.Output.Count == 1 && foldable.Contains(n.Output[0]))
                    .ToArray()
            )
            {
                NodeProto norm = proto.Graph.Node.First(n => n.Input.Count > 0 && n.Input[0] == conv.Output[0]);
                Fold(graph, conv, norm, constants);
                proto.Graph.Node.Remove(norm);
            }
        });
    }

    private static double Elements(IEnumerable<long> sizes) => sizes.Aggregate(1.0, (a, b) => a * b);

    private static bool IsFoldable(NodeProto node, string input, Dictionary<string, TensorProto> constants) =>
        node.OpType == "BatchNormalization"
        && OperatorSets.IsDefault(node.Domain)
        && node.Input[0] == input
        && constants.ContainsKey(node.Input[3])
        && constants.ContainsKey(node.Input[4])
        && node.Output.Skip(1).All(o => o.Length == 0)
        && (node.Attribute.FirstOrDefault(a => a.Name == "training_mode")?.I ?? 0) == 0;

    private static void Fold(
        GraphEmitter graph,
        NodeProto conv,
        NodeProto norm,
        Dictionary<string, TensorProto> constants
    )
    {
        graph.Scope = $"folded/{conv.Output[0]}";
        double epsilon = norm.Attribute.FirstOrDefault(a => a.Name == "epsilon")?.F ?? 1e-5f;
        float[] inverse =
        [
            .. TensorData.ToFloats(constants[norm.Input[4]]).Select(v => (float)(1 / Math.Sqrt(v + epsilon))),
        ];
        string slope = graph.Mul(norm.Input[1], graph.Floats(inverse, inverse.Length));
        string weights = graph.Mul(
            conv.Input[1],
            graph.Reshape(slope, [inverse.Length, .. constants[conv.Input[1]].Dims.Skip(1).Select(_ => 1L)])
        );
        bool biased = conv.Input.Count > 2 && conv.Input[2].Length > 0;
        string centre = biased ? graph.Sub(norm.Input[3], conv.Input[2]) : norm.Input[3];
        string bias = graph.Sub(norm.Input[2], graph.Mul(centre, slope));
        string x = conv.Input[0];
        conv.Input.Clear();
        conv.Input.AddRange([x, weights, bias]);
        conv.Output[0] = norm.Output[0];
    }
}

/// <summary>
/// Values made of mean 0 and variance 1 over axes, x̂ = (x - mean) / √(variance + ε): what layer, instance and group
/// normalisation share.
/// </summary>
/// <param name="Values">x̂.</param>
/// <param name="Inverse">1 / √(variance + ε), of size 1 on the axes.</param>
/// <param name="Axes">The axes.</param>
/// <param name="Count">Elements over the axes.</param>
internal sealed record Standardisation(string Values, string Inverse, long[] Axes, long Count)
{
    /// <summary>Standardises anew: the forward operators keep neither mean nor variance.</summary>
    public static Standardisation Of(GraphEmitter graph, string x, long[] shape, long[] axes, float epsilon)
    {
        long count = axes.Aggregate(1L, (a, axis) => a * shape[axis]);
        string centred = graph.Sub(x, graph.Mul(graph.ReduceSum(x, axes, keep: true), 1f / count));
        string variance = graph.Mul(graph.ReduceSum(graph.Mul(centred, centred), axes, keep: true), 1f / count);
        string inverse = graph.Node("Reciprocal", [graph.Node("Sqrt", [graph.Add(variance, graph.Scalar(epsilon))])]);
        return new Standardisation(graph.Mul(centred, inverse), inverse, axes, count);
    }

    /// <summary>
    /// Gradient of x from that of x̂: dx = (g - mean(g) - x̂·mean(g·x̂)) / √(variance + ε) (Ba et al., Layer
    /// Normalization, 2016).
    /// </summary>
    public string Backward(GraphEmitter graph, string g)
    {
        string shift = graph.Mul(graph.ReduceSum(g, Axes, keep: true), 1f / Count);
        string slope = graph.Mul(graph.ReduceSum(graph.Mul(g, Values), Axes, keep: true), 1f / Count);
        return graph.Mul(graph.Sub(graph.Sub(g, shift), graph.Mul(Values, slope)), Inverse);
    }
}
