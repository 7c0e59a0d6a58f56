using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Training;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>
/// The gradient of an output with respect to tensors inside a graph: to each of them a probe is added, an input that is
/// fed with zeros, and differentiated by.
/// </summary>
internal static class ProbedGraph
{
    /// <summary>Name of the input that receives the gradient of the output.</summary>
    public const string OutputGradient = "output_gradient";

    /// <summary>What names of probes begin with.</summary>
    public const string ProbePrefix = "probe_of/";

    /// <summary>Builds the graph for one image.</summary>
    /// <param name="model">The model; not changed.</param>
    /// <param name="output">What is differentiated, float32.</param>
    /// <param name="tensors">By what, with their shapes, and the nodes that see them: what flows by other ways does not
    /// count.</param>
    /// <returns>Inputs: the model's, a probe of each tensor's shape, and <see cref="OutputGradient"/>. Outputs: the
    /// output, each tensor (<see cref="Value"/>) and its gradient (<see cref="Gradient"/>).</returns>
    /// <exception cref="GraphException">An operator between has no gradient.</exception>
    public static OnnxModel Of(OnnxModel model, string output, IReadOnlyList<ProbedTensor> tensors)
    {
        OnnxModel probed = ForwardMode
            .Inference(model)
            .With(proto =>
            {
                foreach (ProbedTensor tensor in tensors)
                {
                    proto.Graph.Input.Add(Differentiator.Float(Probe(tensor), tensor.Shape));
                    HashSet<string> seenBy = [.. tensor.Consumers.Select(n => n.Output[0])];
                    foreach (NodeProto node in proto.Graph.Node.Where(n => n.Output.Any(seenBy.Contains)))
                        for (int i = 0; i < node.Input.Count; i++)
                            if (node.Input[i] == tensor.Name)
                                node.Input[i] = Value(tensor);
                    proto.Graph.Node.Add(
                        new NodeProto
                        {
                            OpType = "Add",
                            Name = Value(tensor),
                            Input = { tensor.Name, Probe(tensor) },
                            Output = { Value(tensor) },
                        }
                    );
                }
            });
        return Differentiator
            .VectorJacobianProduct(probed, output, [.. tensors.Select(Probe)], 1, OutputGradient)
            .With(proto =>
            {
                foreach (ProbedTensor tensor in tensors)
                    proto.Graph.Output.Add(Differentiator.Float(Value(tensor), tensor.Shape));
            });
    }

    /// <summary>The input that is to be fed with zeros.</summary>
    public static string Probe(ProbedTensor tensor) => ProbePrefix + tensor.Name;

    /// <summary>The output with the tensor's values.</summary>
    public static string Value(ProbedTensor tensor) => $"probed/{tensor.Name}";

    /// <summary>The output with its gradient.</summary>
    public static string Gradient(ProbedTensor tensor) => $"gradient_of/{Probe(tensor)}";
}

/// <summary>A tensor to differentiate by.</summary>
/// <param name="Name">The tensor.</param>
/// <param name="Shape">Its sizes, outermost first.</param>
/// <param name="Consumers">The nodes through which its influence counts.</param>
internal sealed record ProbedTensor(string Name, IReadOnlyList<long> Shape, IReadOnlyList<NodeProto> Consumers);

/// <summary>
/// The feature maps that a head sees: tensors [1, channels, height, width] of a convolutional network that are reduced
/// to features, after which no map follows. Of a network that is tapped once it is the last map; of one that is tapped
/// several times there is one per tap.
/// </summary>
internal static class FinalMaps
{
    /// <summary>Operators after which the last two dimensions are no places any more.</summary>
    private static readonly HashSet<string> Rearranging =
    [
        "Transpose",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "MatMul",
        "Gemm",
        "Gather",
        "Shape",
        "DepthToSpace",
        "SpaceToDepth",
    ];

    /// <summary>Finds them.</summary>
    /// <param name="model">The model.</param>
    /// <param name="output">Its logits.</param>
    /// <returns>The maps, at least one.</returns>
    /// <exception cref="GraphException">The network has none, or mixes places by attention; the message says
    /// which.</exception>
    public static IReadOnlyList<ProbedTensor> Of(OnnxModel model, string output)
    {
        OnnxModel graph = BatchSize.Fix(GraphCut.At(model, [output], typed: false), 1);
        NodeProto[] nodes = [.. DependentNodes(graph)];
        if (nodes.Any(n => n.OpType == "Softmax"))
            throw new GraphException(
                "The network has attention (a Softmax before its head), so that no map's cells stand for places."
            );
        Dictionary<string, long[]> maps = Maps(graph, nodes);
        HashSet<string> leadsToMap = [];
        foreach (NodeProto node in nodes.Reverse())
            if (node.Output.Any(o => maps.ContainsKey(o) || leadsToMap.Contains(o)))
                leadsToMap.UnionWith(node.Input);
        ProbedTensor[] found =
        [
            .. maps.Select(map => new ProbedTensor(
                    map.Key,
                    map.Value,
                    [
                        .. nodes.Where(n =>
                            n.Input.Contains(map.Key)
                            && !n.Output.Any(o => maps.ContainsKey(o) || leadsToMap.Contains(o))
                        ),
                    ]
                ))
                .Where(map => map.Consumers.Count > 0),
        ];
        return found.Length > 0
            ? found
            : throw new GraphException("The network has no feature map of more than one place before its head.");
    }

    private static IEnumerable<NodeProto> DependentNodes(OnnxModel graph)
    {
        HashSet<string> reached = [.. graph.Inputs.Select(i => i.Name)];
        foreach (NodeProto node in graph.TopologicalOrder().Where(n => n.Input.Any(reached.Contains)))
        {
            reached.UnionWith(node.Output.Where(o => o.Length > 0));
            yield return node;
        }
    }

    /// <summary>Maps by name, in the order of the graph.</summary>
    private static Dictionary<string, long[]> Maps(OnnxModel graph, NodeProto[] nodes)
    {
        string[] candidates =
        [
            .. nodes
                .Where(n => OperatorSets.IsDefault(n.Domain) && !Rearranging.Contains(n.OpType))
                .Select(n => n.Output[0]),
        ];
        Dictionary<string, long[]> maps = [];
        if (candidates.Length == 0)
            return maps;
        IReadOnlyDictionary<string, TensorShape> shapes = StaticShapes.Of(graph, candidates);
        foreach (NodeProto node in nodes)
            if (
                shapes.TryGetValue(node.Output[0], out TensorShape? shape)
                && shape is { ElementType: DataType.Float, Rank: 4 }
                && (node.OpType is "Conv" or "ConvTranspose" || node.Input.Any(maps.ContainsKey))
                && shape.Dimensions[2].Size * shape.Dimensions[3].Size > 1
            )
                maps[node.Output[0]] = [.. shape.Dimensions.Select(d => d.Size!.Value)];
        return maps;
    }
}
