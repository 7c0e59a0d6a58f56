using System.Collections.Frozen;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch.Modules;
using MlNetTransfer.Onnx.Torch.Operators;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Torch.Conversion;

/// <summary>A node on its way to torch: what its operator may read of it, and write for it.</summary>
/// <param name="node">The node.</param>
/// <param name="graph">The conversion it belongs to.</param>
internal sealed class TorchNode(NodeProto node, GraphConversion graph)
{
    public string Operator => node.OpType;

    public int Opset => graph.Opset;

    public int InputCount => node.Input.Count;

    public int OutputCount => node.Output.Count;

    public string Input(int index) => node.Input[index];

    public string Output(int index = 0) => node.Output[index];

    /// <summary>Whether an input is given: optional ones may be left out.</summary>
    public bool HasInput(int index) => index < node.Input.Count && node.Input[index].Length > 0;

    /// <summary>Sizes of an input; null for one that follows the batch.</summary>
    public long?[] Shape(int input = 0) => graph.Trace.Shape(node.Input[input]);

    /// <summary>Sizes of an output; null for one that follows the batch.</summary>
    public long?[] OutputShape(int output = 0) => graph.Trace.Shape(node.Output[output]);

    public DataType OutputType(int output = 0) => graph.Trace.Type(node.Output[output]);

    public DataType InputType(int input = 0) => graph.Trace.Type(node.Input[input]);

    public int Rank => Shape().Length;

    public long Int(string name, long missing) => Attribute(name)?.I ?? missing;

    public float Float(string name, float missing) => Attribute(name)?.F ?? missing;

    public string Text(string name, string missing) => Attribute(name)?.S.ToStringUtf8() ?? missing;

    public long[]? Ints(string name) => Attribute(name) is { } attribute ? [.. attribute.Ints] : null;

    /// <summary>An axis attribute, counted from the front.</summary>
    public int Axis(string name, long missing) => FromFront(Int(name, missing), Rank);

    public static int FromFront(long axis, int rank) => (int)(axis < 0 ? axis + rank : axis);

    /// <summary>The constant behind an input; null where it is computed.</summary>
    public Constant? Constant(int input) => HasInput(input) ? graph.Constants.Of(node.Input[input]) : null;

    /// <summary>Integers of an input that is known before the graph runs; null where the input is left out.</summary>
    public long[]? Integers(int input)
    {
        if (!HasInput(input))
            return null;
        if (Constant(input) is { } constant)
            return TensorData.ToLongs(constant.Tensor);
        long?[] values =
            graph.Trace.Integers(node.Input[input])
            ?? throw Unsupported($"input '{node.Input[input]}' computed from the image");
        return values.All(v => v is not null)
            ? [.. values.Select(v => v!.Value)]
            : throw Unsupported($"input '{node.Input[input]}' that depends on the batch size");
    }

    /// <summary>The only float of a constant input; null where the input is left out.</summary>
    public float? Single(int input) =>
        !HasInput(input) ? null
        : Constant(input) is { Count: 1 } constant ? constant.Single
        : throw Unsupported($"input '{node.Input[input]}' that is not one constant number");

    /// <summary>An input as a value, a constant made a tensor of a module.</summary>
    public TorchArgument Value(int input) => graph.Value(this, node.Input[input]);

    /// <summary>An input as a value, or as a number where it is a constant of one element.</summary>
    public TorchArgument ValueOrNumber(int input) =>
        IsNumber(input) ? new TorchArgument.Real(Constant(input)!.Single) : Value(input);

    public bool IsNumber(int input) =>
        Constant(input) is { Count: 1 } constant
        && (DataType)constant.Tensor.DataType == DataType.Float
        && !graph.IsTrained(constant);

    /// <summary>Writes a call of a torch function that gives an output of the node.</summary>
    public void Call(string function, params IReadOnlyList<TorchArgument> arguments) =>
        Call(function, [node.Output[0]], arguments);

    /// <summary>Writes a call of a torch function with several results.</summary>
    public void Call(string function, IReadOnlyList<string> results, IReadOnlyList<TorchArgument> arguments) =>
        graph.Add(new TorchStep(function, null, arguments, results));

    /// <summary>Writes a call whose result is used by another call of this node.</summary>
    public TorchArgument Step(string function, params IReadOnlyList<TorchArgument> arguments)
    {
        string name = graph.Temporary(node.Output[0]);
        Call(function, [name], arguments);
        return new TorchArgument.Value(name);
    }

    /// <summary>Says that the output is a value made before.</summary>
    public void Same(int input = 0, int output = 0) => graph.Alias(node.Output[output], node.Input[input]);

    public void Same(TorchArgument value) => graph.Alias(node.Output[0], ((TorchArgument.Value)value).Name);

    /// <summary>Writes the call of a layer with tensors of its own.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="x">Its input.</param>
    /// <param name="tensors">Its tensors, the one that names the module first.</param>
    /// <param name="hint">Name of the module where neither tensor nor node says one, for example conv.</param>
    public void Layer(TorchLayer layer, TorchArgument x, IReadOnlyList<LayerTensor> tensors, string hint) =>
        graph.Add(new TorchStep("", graph.Layer(node, layer, tensors, hint), [x], [node.Output[0]]));

    /// <summary>
    /// The node that alone uses this node's output, and which of its inputs that is; null where there are several, or
    /// the output is the graph's.
    /// </summary>
    public NodeProto? OnlyUser => graph.OnlyUser(node.Output[0]);

    /// <summary>
    /// The product of the input and this node's output, where nothing else uses the output; null else.
    /// </summary>
    public NodeProto? OnlyOtherUse =>
        OnlyUser is { OpType: "Mul" } mul
        && mul.Input.Count == 2
        && mul.Input.Contains(node.Input[0])
        && mul.Input.Contains(node.Output[0])
            ? mul
            : null;

    /// <summary>All nodes that use a tensor; none where it is an output of the graph.</summary>
    public IReadOnlyList<NodeProto> Users(string tensor) => graph.UsersOf(tensor);

    /// <summary>Whether an input's integers are known before the graph runs.</summary>
    public bool KnowsIntegers(int input) =>
        graph.Trace.Integers(node.Input[input]) is { } values && values.All(v => v is not null);

    /// <summary>Takes a following node into this one: its output is what the next call gives.</summary>
    public TorchNode Absorb(NodeProto follower)
    {
        graph.Absorb(follower);
        return new TorchNode(Renamed(follower.Output[0]), graph);
    }

    public TorchNode Peek(NodeProto other) => new(other, graph);

    /// <summary>The error for a form that torch does not have.</summary>
    /// <param name="form">What the node has, for example "mode 'cubic'".</param>
    public GraphException Unsupported(string form) =>
        new($"{NodeOrder.Describe(node)} has {form}, which cannot be exported to torch.");

    private NodeProto Renamed(string output)
    {
        NodeProto copy = node.Clone();
        copy.Output[0] = output;
        return copy;
    }

    private AttributeProto? Attribute(string name) => node.Attribute.FirstOrDefault(a => a.Name == name);
}

/// <summary>How one ONNX operator, or a family, is said in torch. Stateless.</summary>
internal interface ITorchOperator
{
    /// <summary>Operator types of ONNX's own set.</summary>
    IReadOnlyList<string> Operators { get; }

    /// <summary>Writes the steps that compute the outputs of a node.</summary>
    /// <exception cref="GraphException">The node has a form that torch does not have:
    /// <see cref="TorchNode.Unsupported"/>.</exception>
    void Convert(TorchNode node);
}

/// <summary>
/// Every operator that can be exported to torch. A new family is one file in Operators and one line here.
/// </summary>
internal static class TorchOperators
{
    /// <summary>Sorted by class name.</summary>
    private static readonly ITorchOperator[] All =
    [
        new ActivationOperators(),
        new AveragePoolOperator(),
        new BatchNormalizationOperator(),
        new BinaryOperators(),
        new CastOperator(),
        new ClipOperator(),
        new ConcatOperator(),
        new ConvOperator(),
        new ConvTransposeOperator(),
        new DepthToSpaceOperator(),
        new DropoutOperator(),
        new ExpandOperator(),
        new GatherOperator(),
        new GemmOperator(),
        new GlobalPoolOperators(),
        new IdentityOperator(),
        new InstanceNormalizationOperator(),
        new LayerNormalizationOperator(),
        new MatMulOperator(),
        new MaxPoolOperator(),
        new PadOperator(),
        new PReluOperator(),
        new ReduceOperators(),
        new ReshapeOperators(),
        new ResizeOperator(),
        new SelectionOperators(),
        new SliceOperator(),
        new SoftmaxOperators(),
        new SplitOperator(),
        new TransposeOperator(),
        new UnaryOperators(),
        new WhereOperator(),
    ];

    private static readonly FrozenDictionary<string, ITorchOperator> ByOperator = All.SelectMany(g =>
            g.Operators.Select(o => (Operator: o, Converter: g))
        )
        .ToFrozenDictionary(e => e.Operator, e => e.Converter);

    /// <summary>Operator types that can be exported, sorted.</summary>
    public static IReadOnlyList<string> Supported { get; } = [.. ByOperator.Keys.Order(StringComparer.Ordinal)];

    /// <summary>The converter of an operator; null where there is none.</summary>
    public static ITorchOperator? Of(string operatorType) => ByOperator.GetValueOrDefault(operatorType);
}

/// <summary>A tensor that a layer wants.</summary>
/// <param name="Name">Its name in torch's layer.</param>
/// <param name="Value">Its values; null for the counter of batches, which no graph has.</param>
/// <param name="Shape">Its shape in torch.</param>
/// <param name="IsParameter">Whether it is trained.</param>
/// <param name="Transpose">Whether it is the constant transposed.</param>
internal sealed record LayerTensor(
    string Name,
    Constant? Value,
    IReadOnlyList<long> Shape,
    bool IsParameter = true,
    bool Transpose = false
);
