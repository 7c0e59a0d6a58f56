using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using MlNetTransfer.Onnx.Differentiation.Operators;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>A node of the forward graph on its way back: all that the gradient of its operator may use.</summary>
/// <param name="node">The node.</param>
/// <param name="forward">The graph it belongs to.</param>
/// <param name="graph">Writes the backward nodes.</param>
/// <param name="gradients">Gradient of each output; null where nothing depends on the output.</param>
/// <param name="needs">Whether each input needs a gradient.</param>
internal sealed class BackwardNode(
    NodeProto node,
    StaticGraph forward,
    GraphEmitter graph,
    IReadOnlyList<Gradient?> gradients,
    IReadOnlyList<bool> needs
)
{
    /// <summary>Writes nodes and constants of the backward pass.</summary>
    public GraphEmitter Graph => graph;

    /// <summary>Operator of the node, for families that share one class.</summary>
    public string Operator => node.OpType;

    public int InputCount => node.Input.Count;

    public int OutputCount => node.Output.Count;

    /// <summary>Version of ONNX's operator set of the forward graph.</summary>
    public int Opset => graph.Opset;

    /// <summary>Whether an input is given: optional ones may be left out.</summary>
    public bool HasInput(int input) => input < node.Input.Count && node.Input[input].Length > 0;

    /// <summary>Name of an input; the tensor lives until the backward pass has used it.</summary>
    public string Input(int input) => node.Input[input];

    /// <summary>Name of an output.</summary>
    public string Output(int output = 0) => node.Output[output];

    /// <summary>Sizes of an input.</summary>
    public long[] InputShape(int input) => forward.Shape(node.Input[input]);

    /// <summary>Sizes of an output.</summary>
    public long[] OutputShape(int output = 0) => forward.Shape(node.Output[output]);

    /// <summary>Whether an input needs a gradient.</summary>
    public bool Needs(int input) => input < needs.Count && needs[input];

    /// <summary>Whether an output has a gradient; the only output of a node always has.</summary>
    public bool HasGradient(int output) => output < gradients.Count && gradients[output] is not null;

    /// <summary>Gradient of an output, of the output's shape.</summary>
    public string OutputGradient(int output = 0) => Full(CompactGradient(output), OutputShape(output));

    /// <summary>
    /// Gradient of an output as it is stored: perhaps smaller than the output. For operators that work on what
    /// broadcasts.
    /// </summary>
    public Gradient CompactGradient(int output = 0) =>
        gradients[output]
        ?? throw new InvalidOperationException($"Output {output} of {NodeOrder.Describe(node)} has no gradient.");

    /// <summary>Sums a gradient of the shape of the output over the axes on which the input was broadcast.</summary>
    public Gradient Unbroadcast(Gradient gradient, int input) => Unbroadcast(gradient, OutputShape(), input);

    /// <summary>Sums a gradient of the given shape over the axes on which the input was broadcast.</summary>
    public Gradient Unbroadcast(Gradient gradient, long[] shape, int input)
    {
        long[] target = InputShape(input);
        return shape.AsSpan().SequenceEqual(target)
            ? gradient
            : Broadcasting.Undo(graph, Full(gradient, shape), shape, target);
    }

    /// <summary>An integer attribute.</summary>
    public long Int(string name, long missing) => Attribute(name)?.I ?? missing;

    /// <summary>A float attribute.</summary>
    public float Float(string name, float missing) => Attribute(name)?.F ?? missing;

    /// <summary>A text attribute.</summary>
    public string Text(string name, string missing) => Attribute(name)?.S.ToStringUtf8() ?? missing;

    /// <summary>An attribute of several integers; null where it is not set.</summary>
    public long[]? Ints(string name) => Attribute(name) is { } attribute ? [.. attribute.Ints] : null;

    /// <summary>Values of an integer input that is a constant of the graph; null where the input is left out.</summary>
    /// <exception cref="GraphException">The input is computed.</exception>
    public long[]? ConstantInts(int input) => HasInput(input) ? TensorData.ToLongs(Constant(input)) : null;

    /// <summary>Values of a float input that is a constant of the graph; null where the input is left out.</summary>
    /// <exception cref="GraphException">The input is computed.</exception>
    public float[]? ConstantFloats(int input) => HasInput(input) ? TensorData.ToFloats(Constant(input)) : null;

    /// <summary>
    /// Values of a float input where it is a constant of the graph; null where it is left out or computed.
    /// </summary>
    public float[]? KnownFloats(int input) =>
        HasInput(input) && forward.Constant(node.Input[input]) is { } constant ? TensorData.ToFloats(constant) : null;

    /// <summary>
    /// Values of an integer input where it is a constant of the graph; null where it is left out or computed.
    /// </summary>
    public long[]? KnownInts(int input) =>
        HasInput(input) && forward.Constant(node.Input[input]) is { } constant ? TensorData.ToLongs(constant) : null;

    /// <summary>Value of an input of one element of any numeric type, where it is a constant of the graph.</summary>
    public float? KnownScalar(int input)
    {
        if (
            !HasInput(input)
            || forward.Constant(node.Input[input]) is not { } constant
            || constant.Dims.Aggregate(1L, (a, b) => a * b) != 1
        )
            return null;
        return
            (TensorProto.Types.DataType)constant.DataType
                is TensorProto.Types.DataType.Int32
                    or TensorProto.Types.DataType.Int64
            ? TensorData.ToLongs(constant)[0]
            : TensorData.ToFloats(constant)[0];
    }

    /// <summary>The attribute axis, counted from 0 over the axes of the first input.</summary>
    public int Axis(int missing)
    {
        long axis = Int("axis", missing);
        return (int)(axis < 0 ? axis + InputShape(0).Length : axis);
    }

    /// <summary>
    /// Name of an optional output of the node, which is added to it where the forward graph leaves it out.
    /// </summary>
    public string ExtraOutput(int output) => graph.Output(node.Output[0], output);

    /// <summary>
    /// Computes the only output of the node in another way in the forward pass: what is written takes the place of the
    /// node.
    /// </summary>
    /// <param name="write">Writes nodes, the last of them with the name it is given.</param>
    public void Replace(Action<string> write) => graph.Replace(node.Output[0], write);

    /// <summary>The error for a form of the operator that is not supported.</summary>
    /// <param name="form">What the node has, for example "mode 'cubic'".</param>
    public GraphException Unsupported(string form) => Refusal.Of(node, form);

    private TensorProto Constant(int input) =>
        forward.Constant(node.Input[input])
        ?? throw Unsupported($"input '{node.Input[input]}' computed in the graph (it must be a constant)");

    private AttributeProto? Attribute(string name) => node.Attribute.FirstOrDefault(a => a.Name == name);

    private string Full(Gradient gradient, long[] shape) =>
        gradient.Compact ? graph.Expand(gradient.Tensor, shape) : gradient.Tensor;
}

/// <summary>The gradient of one tensor: the name of the tensor that holds it. A string converts to it.</summary>
/// <param name="Tensor">Name of a tensor of the backward pass.</param>
/// <param name="Compact">
/// Whether it is stored smaller than the tensor it belongs to, and stands for itself broadcast to that shape; the ranks
/// are equal. The gradient of a global pool is one number per map: it stays so until an operator needs all of it.
/// </param>
internal sealed record Gradient(string Tensor, bool Compact = false)
{
    [return: NotNullIfNotNull(nameof(tensor))]
    public static implicit operator Gradient?(string? tensor) => tensor is null ? null : new(tensor);
}

/// <summary>How one operator, or a family that shares one formula, is differentiated. Stateless.</summary>
internal interface IOperatorGradient
{
    /// <summary>Operator types of ONNX's own set.</summary>
    IReadOnlyList<string> Operators { get; }

    /// <summary>Writes the nodes that carry the gradient from the outputs of a node to its inputs.</summary>
    /// <param name="node">The node, with shapes, constants, gradients of its outputs, and the emitter to write
    /// with.</param>
    /// <returns>The gradient of each input in their order; null for one that <see cref="BackwardNode.Needs"/> none, and
    /// it may stop early.</returns>
    /// <exception cref="GraphException">The node has a form that is not supported:
    /// <see cref="BackwardNode.Unsupported"/>.</exception>
    IReadOnlyList<Gradient?> Backward(BackwardNode node);
}

/// <summary>Every operator that can be differentiated. A new one is one file in Operators and one line here.</summary>
internal static class OperatorGradients
{
    /// <summary>Sorted by class name.</summary>
    private static readonly IOperatorGradient[] All =
    [
        new ActivationGradient(),
        new AddGradient(),
        new AveragePoolGradient(),
        new BatchNormalizationGradient(),
        new ClipGradient(),
        new ConcatGradient(),
        new ConvGradient(),
        new ConvTransposeGradient(),
        new DepthSpaceGradient(),
        new DivGradient(),
        new EinsumGradient(),
        new ExpandGradient(),
        new ExtremeGradient(),
        new FunctionGradient(),
        new GatherElementsGradient(),
        new GatherGradient(),
        new GemmGradient(),
        new GlobalAveragePoolGradient(),
        new GroupNormalizationGradient(),
        new IdentityGradient(),
        new InstanceNormalizationGradient(),
        new LayerNormalizationGradient(),
        new LogSoftmaxGradient(),
        new LrnGradient(),
        new MatMulGradient(),
        new MaxPoolGradient(),
        new MulGradient(),
        new NegGradient(),
        new PReluGradient(),
        new PadGradient(),
        new PowGradient(),
        new ReduceExtremeGradient(),
        new ReduceFunctionGradient(),
        new ReduceGradient(),
        new ReluGradient(),
        new ReshapeGradient(),
        new ResizeGradient(),
        new SliceGradient(),
        new SoftmaxGradient(),
        new SplitGradient(),
        new SubGradient(),
        new SumGradient(),
        new TileGradient(),
        new TransposeGradient(),
        new WhereGradient(),
    ];

    private static readonly FrozenDictionary<string, IOperatorGradient> ByOperator = Index(All);

    /// <summary>Operator types that can be differentiated, sorted.</summary>
    public static IReadOnlyList<string> Supported { get; } = [.. ByOperator.Keys.Order(StringComparer.Ordinal)];

    /// <summary>The gradient of an operator; null where there is none.</summary>
    public static IOperatorGradient? Of(string operatorType) => ByOperator.GetValueOrDefault(operatorType);

    /// <summary>The gradients by operator.</summary>
    /// <exception cref="InvalidOperationException">Two claim an operator; the message names all three.</exception>
    internal static FrozenDictionary<string, IOperatorGradient> Index(IReadOnlyList<IOperatorGradient> gradients)
    {
        var found = new Dictionary<string, IOperatorGradient>(StringComparer.Ordinal);
        foreach (IOperatorGradient gradient in gradients)
        foreach (string name in gradient.Operators)
            if (!found.TryAdd(name, gradient))
                throw new InvalidOperationException(
                    $"The operator '{name}' has two gradients, {found[name].GetType().Name} and "
                        + $"{gradient.GetType().Name}: keep one."
                );
        return found.ToFrozenDictionary(StringComparer.Ordinal);
    }
}
