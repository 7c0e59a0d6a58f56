using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Heads;

/// <summary>
/// An ONNX graph that a head is being written into: takes nodes and constants under names that are free.
/// </summary>
/// <remarks>
/// Heads write standard operators whose form is the same in the operator sets 11 to 17, and leave the number of rows
/// open. A new one per head; not thread-safe.
/// </remarks>
public sealed class HeadGraph
{
    private readonly OnnxModel model;
    private readonly List<NodeProto> nodes = [];
    private readonly List<TensorProto> constants = [];
    private readonly HashSet<string> added = [];

    /// <summary>Starts at a tensor of a model.</summary>
    /// <param name="model">The model; not changed.</param>
    /// <param name="features">Name of the tensor with the features, float32 [N × width].</param>
    public HeadGraph(OnnxModel model, string features) => (this.model, Features) = (model, features);

    /// <summary>Name of the tensor with the features, float32 [N × width].</summary>
    public string Features { get; }

    /// <summary>The model with all that was added.</summary>
    public OnnxModel Build() => model.Append(nodes, constants);

    /// <summary>Adds a float32 constant.</summary>
    /// <param name="name">Name that is wanted; a number is added where it is taken.</param>
    /// <param name="values">Values [product of shape], row-major.</param>
    /// <param name="shape">Dimensions; empty for a scalar.</param>
    /// <returns>The tensor's name.</returns>
    public string Floats(string name, ReadOnlySpan<float> values, params ReadOnlySpan<long> shape)
    {
        string free = Free(name);
        constants.Add(TensorData.Floats(free, values, shape));
        return free;
    }

    /// <summary>Adds an int64 constant.</summary>
    /// <param name="name">Name that is wanted; a number is added where it is taken.</param>
    /// <param name="values">Values [product of shape], row-major.</param>
    /// <param name="shape">Dimensions; empty for a scalar.</param>
    /// <returns>The tensor's name.</returns>
    public string Longs(string name, ReadOnlySpan<long> values, params ReadOnlySpan<long> shape)
    {
        string free = Free(name);
        constants.Add(TensorData.Longs(free, values, shape));
        return free;
    }

    /// <summary>Adds a node with one output.</summary>
    /// <param name="operatorType">Operator, for example <c>Gemm</c>.</param>
    /// <param name="name">Name that is wanted for the node and its output; a number is added where it is taken.</param>
    /// <param name="inputs">Names of its inputs.</param>
    /// <param name="attributes">Its attributes.</param>
    /// <returns>The output's name.</returns>
    public string Node(
        string operatorType,
        string name,
        IReadOnlyList<string> inputs,
        params IReadOnlyList<AttributeProto> attributes
    ) => Nodes(operatorType, [name], inputs, attributes)[0];

    /// <summary>Adds a node with several outputs.</summary>
    /// <param name="operatorType">Operator, for example <c>TopK</c>.</param>
    /// <param name="names">Names that are wanted for its outputs; the first is the node's too.</param>
    /// <param name="inputs">Names of its inputs.</param>
    /// <param name="attributes">Its attributes.</param>
    /// <returns>The outputs' names.</returns>
    public IReadOnlyList<string> Nodes(
        string operatorType,
        IReadOnlyList<string> names,
        IReadOnlyList<string> inputs,
        params IReadOnlyList<AttributeProto> attributes
    )
    {
        string[] outputs = [.. names.Select(Free)];
        nodes.Add(
            new NodeProto
            {
                OpType = operatorType,
                Name = outputs[0],
                Input = { inputs },
                Output = { outputs },
                Attribute = { attributes },
            }
        );
        return outputs;
    }

    private string Free(string name)
    {
        string free = model.UniqueName(name);
        for (int i = 1; !added.Add(free); i++)
            free = model.UniqueName(FormattableString.Invariant($"{name}_{i}"));
        return free;
    }
}
