using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx;

/// <summary>
/// Builds a new ONNX graph step by step; the names given are the names in the file. A new builder per graph; not
/// thread-safe.
/// </summary>
/// <param name="name">Name of the graph.</param>
/// <example><code>
/// OnnxModel model = new GraphBuilder("double")
///     .Input("x", ["N", 4]).Initializer("two", [2f])
///     .Node("Mul", ["x", "two"], ["y"])
///     .Output("y", ["N", 4]).Build();
/// </code></example>
public sealed class GraphBuilder(string name = "graph")
{
    private readonly GraphProto graph = new() { Name = name };
    private readonly HashSet<string> defined = [];
    private readonly HashSet<string> nodeNames = [];
    private readonly SortedDictionary<string, int> domains = new(StringComparer.Ordinal);

    /// <summary>Adds an input that has to be fed.</summary>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="shape">Dimensions, for example <c>["N", 3, 224, 224]</c>.</param>
    /// <param name="type">Element type. Default float32.</param>
    public GraphBuilder Input(string name, IReadOnlyList<Dimension> shape, DataType type = DataType.Float)
    {
        Define(name);
        graph.Input.Add(new TensorShape(type, shape).ToValueInfo(name));
        return this;
    }

    /// <summary>Adds a float32 constant or weight.</summary>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="values">Values [product of shape], row-major.</param>
    /// <param name="shape">Dimensions; empty for a scalar.</param>
    public GraphBuilder Initializer(string name, ReadOnlySpan<float> values, params ReadOnlySpan<long> shape) =>
        Initializer(TensorData.Floats(name, values, shape));

    /// <summary>Adds an int64 constant.</summary>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="values">Values [product of shape], row-major.</param>
    /// <param name="shape">Dimensions; empty for a scalar.</param>
    public GraphBuilder Initializer(string name, ReadOnlySpan<long> values, params ReadOnlySpan<long> shape) =>
        Initializer(TensorData.Longs(name, values, shape));

    /// <summary>Adds a constant or weight made elsewhere.</summary>
    public GraphBuilder Initializer(TensorProto tensor)
    {
        Define(tensor.Name);
        graph.Initializer.Add(tensor);
        return this;
    }

    /// <summary>Adds a node of ONNX's own operator set. The node is named after its first output.</summary>
    /// <param name="operatorType">Operator, for example <c>Conv</c>.</param>
    /// <param name="inputs">Names of its inputs; empty for an optional input left out.</param>
    /// <param name="outputs">Names of its outputs; empty for an optional output left out.</param>
    /// <param name="attributes">Attributes, from <see cref="Attributes"/>.</param>
    public GraphBuilder Node(
        string operatorType,
        IReadOnlyList<string> inputs,
        IReadOnlyList<string> outputs,
        params IReadOnlyList<AttributeProto> attributes
    )
    {
        NodeProto node = new() { OpType = operatorType };
        node.Input.AddRange(inputs);
        node.Output.AddRange(outputs);
        node.Attribute.AddRange(attributes);
        return Node(node);
    }

    /// <summary>Adds a node made elsewhere.</summary>
    public GraphBuilder Node(NodeProto node)
    {
        foreach (string output in node.Output.Where(o => o.Length > 0))
            Define(output);
        if (node.Name.Length == 0)
            node.Name = NameAllocator.First(node.Output.FirstOrDefault(o => o.Length > 0) ?? node.OpType, nodeNames);
        nodeNames.Add(node.Name);
        graph.Node.Add(node);
        return this;
    }

    /// <summary>Imports a further operator set, for example <c>com.microsoft</c> 1.</summary>
    public GraphBuilder Domain(string domain, int version)
    {
        domains[domain] = version;
        return this;
    }

    /// <summary>States the shape of a tensor that is not an output, so that a cut there needs no inference.</summary>
    public GraphBuilder Shape(string name, IReadOnlyList<Dimension> shape, DataType type = DataType.Float)
    {
        graph.ValueInfo.Add(new TensorShape(type, shape).ToValueInfo(name));
        return this;
    }

    /// <summary>Makes a tensor an output.</summary>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="shape">Dimensions.</param>
    /// <param name="type">Element type. Default float32.</param>
    public GraphBuilder Output(string name, IReadOnlyList<Dimension> shape, DataType type = DataType.Float)
    {
        graph.Output.Add(new TensorShape(type, shape).ToValueInfo(name));
        return this;
    }

    /// <summary>A tensor name that is still free: the given one, or the first of prefix_1, prefix_2, ...</summary>
    public string UniqueName(string prefix) => NameAllocator.First(prefix, defined);

    /// <summary>The finished model, its nodes in topological order.</summary>
    /// <param name="opset">Version of ONNX's operator set the nodes are written for. Default 17.</param>
    /// <param name="irVersion">Version of the file format. Default 8, which goes with operator sets up to 17.</param>
    /// <param name="producer">Name of the producer.</param>
    /// <exception cref="GraphException">An input of a node or an output of the graph is made by nothing, the nodes form
    /// a cycle, or an operator needs a newer operator set.</exception>
    public OnnxModel Build(int opset = 17, int irVersion = 8, string producer = "MlNetTransfer")
    {
        foreach (NodeProto node in graph.Node)
            OperatorSets.Require(node, opset);
        GraphEdits.CheckInputs(graph.Node, defined);
        if (graph.Output.FirstOrDefault(o => !defined.Contains(o.Name)) is { } output)
            throw new GraphException(
                $"Output '{output.Name}' of the graph is made by nothing. Near names: "
                    + $"{string.Join(", ", NearestNames.Of(output.Name, defined))}."
            );
        ModelProto proto = new()
        {
            IrVersion = irVersion,
            ProducerName = producer,
            Graph = graph.Clone(),
        };
        proto.Graph.Node.Clear();
        proto.Graph.Node.AddRange(NodeOrder.Sort(graph.Node).Select(n => n.Clone()));
        proto.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = opset });
        proto.OpsetImport.AddRange(domains.Select(d => new OperatorSetIdProto { Domain = d.Key, Version = d.Value }));
        return new OnnxModel(proto);
    }

    private void Define(string tensor)
    {
        ArgumentException.ThrowIfNullOrEmpty(tensor);
        if (!defined.Add(tensor))
            throw new GraphException(
                $"The graph already has a tensor '{tensor}'. Choose another name, for example "
                    + $"{nameof(UniqueName)}(\"{tensor}\")."
            );
    }
}
