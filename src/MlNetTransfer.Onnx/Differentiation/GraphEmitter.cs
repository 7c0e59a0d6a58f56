using MlNetTransfer.Onnx.Kernels;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>Appends nodes to a graph; finds free names and keeps each constant once.</summary>
internal sealed partial class GraphEmitter
{
    private readonly GraphProto graph;
    private readonly HashSet<string> taken;
    private readonly Dictionary<string, string> constants = [];
    private readonly Dictionary<string, int> counters = [];

    /// <param name="graph">The graph to append to.</param>
    /// <param name="opset">Version of ONNX's operator set of the graph.</param>
    public GraphEmitter(GraphProto graph, int opset)
    {
        this.graph = graph;
        Opset = opset;
        taken = [.. Subgraphs.DefinedAnywhere(graph), .. graph.Node.Select(n => n.Name)];
    }

    /// <summary>Version of ONNX's operator set that nodes are written for.</summary>
    public int Opset { get; }

    /// <summary>
    /// Whether nodes of <see cref="KernelRegistry"/> may be written; without, all are ONNX's or ONNX Runtime's own.
    /// </summary>
    public bool HasKernels { get; init; }

    /// <summary>What names of new tensors start with, so that a profile of the graph can be read.</summary>
    public string Scope { get; set; } = "graph";

    /// <summary>A free name that starts with the scope; nobody else gets it.</summary>
    public string NewName(string suffix)
    {
        string prefix = $"{Scope}/{suffix}";
        int count = counters.GetValueOrDefault(prefix);
        string name;
        do name = count++ == 0 ? prefix : FormattableString.Invariant($"{prefix}_{count}");
        while (!taken.Add(name));
        counters[prefix] = count;
        return name;
    }

    /// <summary>Takes a name as it is.</summary>
    /// <exception cref="GraphException">The graph has a tensor or node of that name.</exception>
    public string Reserve(string name) =>
        taken.Add(name)
            ? name
            : throw new GraphException(
                $"The model has a tensor or node '{name}', a name that the training step needs. Rename it with "
                    + $"{nameof(OnnxModel)}.{nameof(OnnxModel.RenameTensor)}."
            );

    /// <summary>Adds a node of one output.</summary>
    /// <returns>Name of the output.</returns>
    public string Node(
        string operatorType,
        IReadOnlyList<string> inputs,
        params IReadOnlyList<AttributeProto> attributes
    ) => Nodes(operatorType, inputs, 1, attributes)[0];

    /// <summary>Adds a node of several outputs.</summary>
    /// <returns>Names of the outputs.</returns>
    public string[] Nodes(
        string operatorType,
        IReadOnlyList<string> inputs,
        int outputs,
        params IReadOnlyList<AttributeProto> attributes
    )
    {
        string[] names = [.. Enumerable.Range(0, outputs).Select(_ => NewName(operatorType))];
        Append(operatorType, "", inputs, names, attributes);
        return names;
    }

    /// <summary>Adds a node whose output has a given, reserved name.</summary>
    public void NodeNamed(
        string output,
        string operatorType,
        IReadOnlyList<string> inputs,
        params IReadOnlyList<AttributeProto> attributes
    ) => Append(operatorType, "", inputs, [output], attributes);

    /// <summary>
    /// α · A · B over the last two axes, each transposed where asked; leading axes broadcast (com.microsoft
    /// FusedMatMul).
    /// </summary>
    public string FusedMatMul(string a, string b, bool transposeA = false, bool transposeB = false, float alpha = 1)
    {
        string name = NewName("FusedMatMul");
        Append(
            "FusedMatMul",
            "com.microsoft",
            [a, b],
            [name],
            [
                Attributes.Of("transA", transposeA ? 1 : 0),
                Attributes.Of("transB", transposeB ? 1 : 0),
                Attributes.Of("alpha", alpha),
            ]
        );
        return name;
    }

    /// <summary>A kernel of our own, which needs <see cref="HasKernels"/>.</summary>
    /// <param name="kind">Which.</param>
    /// <param name="inputs">Its inputs.</param>
    /// <param name="shape">Sizes of its output.</param>
    /// <param name="sizes">What it is made from.</param>
    /// <returns>Name of the output.</returns>
    public string Kernel(
        KernelKind kind,
        IReadOnlyList<string> inputs,
        IEnumerable<long> shape,
        ReadOnlySpan<long> sizes
    ) =>
        Kernel(
            kind,
            inputs,
            [
                [.. shape],
            ],
            sizes
        )[0];

    /// <summary>A kernel of several outputs.</summary>
    /// <param name="kind">Which.</param>
    /// <param name="inputs">Its inputs.</param>
    /// <param name="shapes">Sizes of its outputs.</param>
    /// <param name="sizes">What it is made from.</param>
    /// <returns>Names of the outputs.</returns>
    public string[] Kernel(
        KernelKind kind,
        IReadOnlyList<string> inputs,
        IReadOnlyList<long[]> shapes,
        ReadOnlySpan<long> sizes
    )
    {
        string[] outputs = [.. shapes.Select(_ => NewName(kind.Name))];
        graph.Node.Add(KernelRegistry.Node(kind, inputs, outputs, sizes, []));
        graph.ValueInfo.AddRange(outputs.Zip(shapes, (name, shape) => Differentiator.Float(name, shape)));
        return outputs;
    }

    /// <summary>a where b lies between two bounds, else 0; needs <see cref="HasKernels"/>.</summary>
    public string Gate(string a, string b, float low, float high, IEnumerable<long> shape)
    {
        string output = NewName("Gate");
        graph.Node.Add(ElementwiseProgram.Gate(shape, low, high).ToNode([a, b], output));
        graph.ValueInfo.Add(Differentiator.Float(output, shape));
        return output;
    }

    /// <summary>Name of an output of a node of the graph, which is added to it where it has none.</summary>
    /// <param name="first">First output of the node.</param>
    /// <param name="index">Which output.</param>
    public string Output(string first, int index)
    {
        NodeProto node = graph.Node.First(n => n.Output.Count > 0 && n.Output[0] == first);
        while (node.Output.Count <= index)
            node.Output.Add("");
        if (node.Output[index].Length == 0)
            node.Output[index] = NewName($"output_{index}");
        return node.Output[index];
    }

    /// <summary>
    /// Computes the output of a node of the graph in another way: the nodes that are written take its place.
    /// </summary>
    /// <param name="output">Its only output.</param>
    /// <param name="write">Writes the nodes, the last with <see cref="NodeNamed"/>.</param>
    public void Replace(string output, Action<string> write)
    {
        int place = graph.Node.IndexOf(graph.Node.First(n => n.Output.Count == 1 && n.Output[0] == output)),
            start = graph.Node.Count;
        write(output);
        NodeProto[] before = [.. graph.Node.Take(place)],
            written = [.. graph.Node.Skip(start)],
            after = [.. graph.Node.Take(start).Skip(place + 1)];
        graph.Node.Clear();
        graph.Node.AddRange([.. before, .. written, .. after]);
    }

    /// <summary>An int64 vector.</summary>
    public string Longs(params ReadOnlySpan<long> values)
    {
        long[] copy = [.. values];
        return Constant($"i:{string.Join(',', copy)}", name => TensorData.Longs(name, copy, copy.Length));
    }

    /// <summary>A float32 scalar, or one element of a higher rank.</summary>
    public string Scalar(float value, int rank = 0) =>
        Constant(
            FormattableString.Invariant($"f:{BitConverter.SingleToInt32Bits(value)}:{rank}"),
            name => TensorData.Floats(name, [value], Ones(rank))
        );

    /// <summary>The sizes of one element.</summary>
    public static long[] Ones(int rank) => [.. Enumerable.Repeat(1L, rank)];

    /// <summary>A float32 constant; not shared.</summary>
    public string Floats(ReadOnlySpan<float> values, params ReadOnlySpan<long> shape)
    {
        string name = NewName("constant");
        graph.Initializer.Add(TensorData.Floats(name, values, shape));
        return name;
    }

    /// <summary>A tensor made elsewhere under a new name; its values are shared, not copied.</summary>
    public string Initializer(TensorProto tensor)
    {
        TensorProto renamed = tensor.Clone();
        renamed.Name = NewName("constant");
        graph.Initializer.Add(renamed);
        return renamed.Name;
    }

    private string Constant(string key, Func<string, TensorProto> make)
    {
        if (constants.TryGetValue(key, out string? known))
            return known;
        string name = NewName("constant");
        graph.Initializer.Add(make(name));
        return constants[key] = name;
    }

    private void Append(
        string operatorType,
        string domain,
        IReadOnlyList<string> inputs,
        IReadOnlyList<string> outputs,
        IReadOnlyList<AttributeProto> attributes
    )
    {
        NodeProto node = new()
        {
            OpType = operatorType,
            Domain = domain,
            Name = NewName("node"),
        };
        node.Input.AddRange(inputs);
        node.Output.AddRange(outputs);
        node.Attribute.AddRange(attributes);
        OperatorSets.Require(node, Opset);
        graph.Node.Add(node);
    }
}
