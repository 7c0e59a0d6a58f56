using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Quantization;

/// <summary>
/// Which nodes of a graph run on bytes for a choice of layers, and which tensors are quantised for them.
/// </summary>
/// <remarks>
/// A chosen layer reads bytes and writes bytes. An operator without weights that ONNX Runtime has a kernel on bytes for
/// joins in where bytes reach it and go on from it to another node on bytes; so the pooled features and what follows
/// them stay in float. A rectifier that alone reads a node's output belongs to that node: its range is the node's.
/// </remarks>
internal sealed class QuantizationPlan
{
    /// <summary>Operators without weights that run on bytes, with a range of their own for the output.</summary>
    private static readonly HashSet<string> Requantising =
    [
        "Add",
        "AveragePool",
        "Concat",
        "GlobalAveragePool",
        "LeakyRelu",
        "Mul",
        "Sigmoid",
    ];

    /// <summary>
    /// Operators that move bytes or choose among them, so that the output has the range of the input.
    /// </summary>
    private static readonly HashSet<string> Moving =
    [
        "Flatten",
        "MaxPool",
        "Reshape",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    ];

    private readonly ILookup<string, NodeProto> users;
    private readonly HashSet<string> constants,
        outputs;
    private readonly Dictionary<string, NodeProto> makers;

    /// <param name="graph">The graph, its nodes sorted.</param>
    /// <param name="layers">The layers that run on bytes.</param>
    public QuantizationPlan(GraphProto graph, IEnumerable<LayerNode> layers)
    {
        users = graph
            .Node.SelectMany(n => Subgraphs.NeededBy(n).Distinct().Select(i => (Input: i, Node: n)))
            .ToLookup(e => e.Input, e => e.Node);
        constants = [.. graph.Initializer.Select(i => i.Name)];
        outputs = [.. graph.Output.Select(o => o.Name)];
        makers = graph
            .Node.SelectMany(n => n.Output.Where(o => o.Length > 0).Select(o => (o, n)))
            .ToDictionary(e => e.o, e => e.n);
        OnBytes = new HashSet<NodeProto>(layers.Select(l => l.Node), ReferenceEqualityComparer.Instance);
        Join(graph);
        Tensors = [.. graph.Node.Where(OnBytes.Contains).SelectMany(n => Activations(n).Append(Result(n))).Distinct()];
    }

    /// <summary>Nodes that run on bytes.</summary>
    public HashSet<NodeProto> OnBytes { get; }

    /// <summary>Tensors that are quantised, in the order of the nodes.</summary>
    public IReadOnlyList<string> Tensors { get; }

    /// <summary>The tensor whose range a tensor takes.</summary>
    public string RangeOf(string tensor) =>
        makers.TryGetValue(tensor, out NodeProto? maker) && OnBytes.Contains(maker) && Moving.Contains(maker.OpType)
            ? RangeOf(maker.Input[0])
            : tensor;

    /// <summary>The rectifier that belongs to a node; null where there is none.</summary>
    public NodeProto? Rectifier(NodeProto node) =>
        !Moving.Contains(node.OpType)
        && !outputs.Contains(node.Output[0])
        && users[node.Output[0]].ToArray() is [{ OpType: "Relu" or "Clip" } only]
        && only.Input[0] == node.Output[0]
            ? only
            : null;

    /// <summary>The tensor that a node on bytes gives: its output, or that of its rectifier.</summary>
    public string Result(NodeProto node) => (Rectifier(node) ?? node).Output[0];

    private IEnumerable<string> Activations(NodeProto node) =>
        Moving.Contains(node.OpType)
            ? node.Input.Take(1)
            : node.Input.Where(i => i.Length > 0 && !constants.Contains(i));

    /// <summary>
    /// Starts with every operator that could join, and takes away those that bytes do not pass through until none is
    /// left.
    /// </summary>
    private void Join(GraphProto graph)
    {
        NodeProto[] open = [.. graph.Node.Where(CanJoin)];
        OnBytes.UnionWith(open);
        while (open.Where(n => !IsPassed(n)).ToArray() is { Length: > 0 } left)
        {
            OnBytes.ExceptWith(left);
            open = [.. open.Except(left)];
        }
    }

    private bool CanJoin(NodeProto node) =>
        OperatorSets.IsDefault(node.Domain)
        && node.Output.Count(o => o.Length > 0) == 1
        && (
            (Requantising.Contains(node.OpType) && node.Input.All(i => !constants.Contains(i)))
            || (Moving.Contains(node.OpType) && node.Input.Skip(1).All(constants.Contains))
        );

    private bool IsPassed(NodeProto node) =>
        Activations(node).Any(IsMadeOnBytes) && users[Result(node)].Any(OnBytes.Contains);

    private bool IsMadeOnBytes(string tensor)
    {
        if (!makers.TryGetValue(tensor, out NodeProto? maker))
            return false;
        if (OnBytes.Contains(maker))
            return true;
        return maker.OpType is "Relu" or "Clip"
            && makers.TryGetValue(maker.Input[0], out NodeProto? before)
            && OnBytes.Contains(before)
            && Rectifier(before) == maker;
    }
}

/// <summary>A model made ready to be quantised: simplified, with the layers that can run on bytes. Immutable.</summary>
public sealed class QuantizableGraph
{
    /// <summary>Scales for each channel need this operator set.</summary>
    private const int LeastOpset = 13;

    private readonly LayerNode[] layers;

    private QuantizableGraph(OnnxModel model, LayerNode[] layers)
    {
        (Model, this.layers) = (model, layers);
        Layers =
        [
            .. layers.Select(l => new QuantizableLayer(
                l.Node.Name,
                l.Node.OpType,
                l.Weights.Dims.Aggregate(1L, (a, b) => a * b)
            )),
        ];
        Activations = new QuantizationPlan(model.Proto.Graph, layers).Tensors;
    }

    /// <summary>The model in float, simplified; same inputs, outputs and metadata.</summary>
    public OnnxModel Model { get; }

    /// <summary>The layers that can run on bytes, from the input to the outputs.</summary>
    public IReadOnlyList<QuantizableLayer> Layers { get; }

    /// <summary>Tensors whose ranges <see cref="Quantize"/> needs.</summary>
    public IReadOnlyList<string> Activations { get; }

    /// <summary>
    /// Makes a model ready: widens float16 and restores weights of 8 bits to float32, folds constants, batch
    /// normalisation and padding, and raises the operator set to 13 where it is lower.
    /// </summary>
    /// <param name="model">The model; not changed.</param>
    /// <exception cref="GraphException">ONNX Runtime cannot load the model, or it has no layer that can run on
    /// bytes.</exception>
    public static QuantizableGraph Of(OnnxModel model)
    {
        OnnxModel optimized = WithNames(OptimizedGraph.Of(FloatNetwork.Of(model), LeastOpset));
        Dictionary<string, TensorProto> constants = optimized.Initializers.ToDictionary(i => i.Name);
        LayerNode[] layers = [.. optimized.Nodes.Select(n => LayerNode.Of(n, constants)).OfType<LayerNode>()];
        return layers.Length > 0
            ? new QuantizableGraph(optimized, layers)
            : throw new GraphException(
                "The model has no Conv, Gemm or MatMul with constant weights, so there is nothing to quantise. Give a "
                    + "model that has one."
            );
    }

    /// <summary>
    /// The model with layers on bytes: QuantizeLinear and DequantizeLinear around them, weights in signed bytes by
    /// channel, activations in unsigned bytes, biases in int32.
    /// </summary>
    /// <param name="ranges">Range of each of <see cref="Activations"/>.</param>
    /// <param name="inFloat">Names of layers to leave in float; null for none.</param>
    /// <param name="bits">How much of a byte the weights use.</param>
    /// <returns>The model; same inputs, outputs and metadata.</returns>
    /// <exception cref="GraphException">A layer does not exist, or a range is missing or not finite.</exception>
    public OnnxModel Quantize(
        IReadOnlyDictionary<string, ValueRange> ranges,
        IReadOnlySet<string>? inFloat = null,
        WeightBits bits = WeightBits.Eight
    )
    {
        HashSet<string> known = [.. Layers.Select(l => l.Name)];
        if (inFloat?.FirstOrDefault(n => !known.Contains(n)) is { } missing)
            throw new GraphException(
                $"The model has no layer '{missing}' that could be left in float. Near names: "
                    + $"{string.Join(", ", NearestNames.Of(missing, known))}."
            );
        LayerNode[] chosen = [.. layers.Where(l => inFloat?.Contains(l.Node.Name) is not true)];
        var plan = new QuantizationPlan(Model.Proto.Graph, chosen);
        return new QuantizedGraphWriter(Model, plan, ranges, bits).Write(chosen);
    }

    /// <summary>Layers are called by their nodes' names, so each needs one of its own.</summary>
    private static OnnxModel WithNames(OnnxModel model) =>
        model.With(proto =>
        {
            NodeProto[] sorted = [.. NodeOrder.Sort(proto.Graph.Node).Select(n => n.Clone())];
            HashSet<string> taken = [];
            foreach (NodeProto node in sorted)
                taken.Add(node.Name = NameAllocator.First(node.Name.Length > 0 ? node.Name : node.Output[0], taken));
            proto.Graph.Node.Clear();
            proto.Graph.Node.AddRange(sorted);
        });
}

/// <summary>A node with constant weights that can be run on bytes.</summary>
/// <param name="Name">Name of the node.</param>
/// <param name="OperatorType">Conv, Gemm or MatMul.</param>
/// <param name="WeightCount">Number of weights.</param>
public sealed record QuantizableLayer(string Name, string OperatorType, long WeightCount);

/// <summary>A layer as the graph has it.</summary>
/// <param name="Node">The node.</param>
/// <param name="Weights">Its weights.</param>
/// <param name="Bias">Its bias [channels]; null where it has none.</param>
/// <param name="Axis">The axis of the weights that the output channels lie on.</param>
internal sealed record LayerNode(NodeProto Node, TensorProto Weights, TensorProto? Bias, int Axis)
{
    public int Channels => (int)Weights.Dims[Axis];

    /// <summary>Weights that lie together for a channel.</summary>
    public int Inner => (int)Weights.Dims.Skip(Axis + 1).Aggregate(1L, (a, b) => a * b);

    /// <summary>The layer of a node; null where the node has none that can be run on bytes.</summary>
    public static LayerNode? Of(NodeProto node, IReadOnlyDictionary<string, TensorProto> constants)
    {
        if (!OperatorSets.IsDefault(node.Domain) || node.Input.Count < 2 || constants.ContainsKey(node.Input[0]))
            return null;
        if (
            !constants.TryGetValue(node.Input[1], out TensorProto? weights)
            || weights.DataType != (int)DataType.Float
            || weights.Dims.Any(d => d < 1)
        )
            return null;
        TensorProto? bias = null;
        if (node.Input.Count > 2 && node.Input[2].Length > 0 && !constants.TryGetValue(node.Input[2], out bias))
            return null;
        int? axis = node.OpType switch
        {
            "Conv" when weights.Dims.Count is 3 or 4 or 5 => 0,
            "Gemm" when IsPlain(node) && weights.Dims.Count == 2 => Int(node, "transB") == 0 ? 1 : 0,
            "MatMul" when weights.Dims.Count == 2 => 1,
            _ => null,
        };
        if (
            axis is not { } a
            || (
                bias is not null
                && (bias.DataType != (int)DataType.Float || bias.Dims is not [var size] || size != weights.Dims[a])
            )
        )
            return null;
        return new LayerNode(node, weights, bias, a);
    }

    private static bool IsPlain(NodeProto gemm) =>
        Int(gemm, "transA") == 0 && Factor(gemm, "alpha") == 1 && Factor(gemm, "beta") == 1;

    private static long Int(NodeProto node, string name) => node.Attribute.FirstOrDefault(a => a.Name == name)?.I ?? 0;

    private static float Factor(NodeProto node, string name) =>
        node.Attribute.FirstOrDefault(a => a.Name == name)?.F ?? 1;
}

/// <summary>
/// A model as ONNX Runtime simplifies it before it chooses kernels: constants folded, batch normalisation and padding
/// inside convolutions, standard operators only.
/// </summary>
internal static class OptimizedGraph
{
    /// <param name="model">The model.</param>
    /// <param name="opset">Least operator set of the result.</param>
    /// <exception cref="GraphException">ONNX Runtime cannot load the model.</exception>
    public static OnnxModel Of(OnnxModel model, int opset)
    {
        OnnxModel upgraded = OperatorSetUpgrade.To(model, opset);
        string file = Path.Combine(Path.GetTempPath(), $"{Path.GetRandomFileName()}.onnx");
        try
        {
            new OrtSession(upgraded.ToBytes(), OrtSettings.Simplifying(file), "the model").Dispose();

            OnnxModel optimized = OnnxModel.Load(file);
            HashSet<string> domains =
            [
                .. optimized.Nodes.Select(n => n.Domain).Select(d => OperatorSets.IsDefault(d) ? "" : d),
                "",
            ];
            return optimized.With(proto =>
            {
                // ONNX Runtime imports every domain it knows; other runtimes do not know them.
                OnnxImports(proto, domains);
                (proto.IrVersion, proto.ProducerName, proto.ProducerVersion, proto.DocString) = (
                    model.Proto.IrVersion,
                    model.Proto.ProducerName,
                    model.Proto.ProducerVersion,
                    model.Proto.DocString
                );
                proto.MetadataProps.Clear();
                proto.MetadataProps.AddRange(model.Proto.MetadataProps.Select(e => e.Clone()));
                proto.Graph.ValueInfo.Clear();
            });
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static void OnnxImports(ModelProto proto, HashSet<string> domains)
    {
        OperatorSetIdProto[] kept =
        [
            .. proto.OpsetImport.Where(o => domains.Contains(OperatorSets.IsDefault(o.Domain) ? "" : o.Domain)),
        ];
        proto.OpsetImport.Clear();
        proto.OpsetImport.AddRange(kept);
    }
}
