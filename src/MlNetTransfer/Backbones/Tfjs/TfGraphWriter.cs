using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>
/// Writes the ONNX graph of a TF.js model. Images are carried as NCHW throughout: TensorFlow's NHWC is a view
/// (<see cref="TfValue.ChannelsFirst"/>), so that a transpose between the two costs nothing, and pairs of them cancel.
/// </summary>
internal sealed class TfGraphWriter(string graphName)
{
    /// <summary>Name of the one input of an imported model.</summary>
    public const string InputName = "image";

    private const string Batch = "N";
    private readonly GraphBuilder builder = new(graphName);
    private readonly Dictionary<string, List<(TfTensor Tensor, string Name)>> written = [];

    /// <summary>Adds the input [N, channels, height, width] and gives it the model's own name too.</summary>
    /// <param name="name">The model's own name.</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="width">Width in pixels.</param>
    /// <param name="channels">Channels.</param>
    /// <param name="channelsFirst">TensorFlow too sees it as [N, channels, height, width]; else as [N, height, width,
    /// channels].</param>
    public TfValue Input(string name, long height, long width, long channels, bool channelsFirst)
    {
        TfValue image = channelsFirst
            ? new(InputName, [-1, channels, height, width], ChannelsFirst: false)
            : new(InputName, [-1, height, width, channels], ChannelsFirst: true);
        builder.Input(InputName, Dimensions(image));
        return name == InputName ? image : Alias(name, image);
    }

    /// <summary>Adds a node with one output.</summary>
    /// <param name="op">ONNX operator.</param>
    /// <param name="output">Name, TensorFlow shape and layout of the output.</param>
    /// <param name="inputs">Names of the inputs.</param>
    /// <param name="attributes">Attributes.</param>
    public TfValue Node(
        string op,
        TfValue output,
        IReadOnlyList<string> inputs,
        params IReadOnlyList<AttributeProto> attributes
    )
    {
        builder.Node(op, inputs, [output.Name], attributes).Shape(output.Name, Dimensions(output));
        return output;
    }

    /// <summary>
    /// The same tensor under another name: what TensorFlow's Identity and a dropout layer are when a model predicts.
    /// </summary>
    public TfValue Alias(string name, TfValue value) =>
        value.Constant is null
            ? Node("Identity", value with { Name = name }, [value.Name])
            : value with
            {
                Name = name,
            };

    /// <summary>
    /// Writes a constant and returns its name. A constant that is used twice in one form is written once.
    /// </summary>
    public string Constant(TfTensor tensor)
    {
        if (!this.written.TryGetValue(tensor.Name, out List<(TfTensor Tensor, string Name)>? forms))
            this.written[tensor.Name] = forms = [];
        foreach ((TfTensor form, string written) in forms)
            if (form.Shape.SequenceEqual(tensor.Shape) && form.Values.AsSpan().SequenceEqual(tensor.Values))
                return written;
        string name = Unique(tensor.Name);
        forms.Add((tensor, name));
        builder.Initializer(name, tensor.Values, [.. tensor.Shape]);
        return name;
    }

    /// <summary>Writes integers, such as axes or a shape, and returns their name.</summary>
    public string Integers(string name, params ReadOnlySpan<long> values)
    {
        string free = Unique(name);
        builder.Initializer(free, values, values.Length);
        return free;
    }

    /// <summary>A tensor name that is still free.</summary>
    public string Unique(string prefix) => builder.UniqueName(prefix);

    /// <summary>The value as images in NCHW; a transpose is written only where it was not so.</summary>
    public TfValue Images(TfValue value)
    {
        if (value.ChannelsFirst)
            return value;
        if (value.Rank != 4)
            throw new TfjsException($"'{value.Name}' has {value.Rank} dimensions; images have 4.");
        return Node(
            "Transpose",
            value with
            {
                Name = Unique(value.Name + "/nchw"),
                ChannelsFirst = true,
            },
            [Written(value)],
            Attributes.Of("perm", [0, 3, 1, 2])
        );
    }

    /// <summary>The value in TensorFlow's own order of axes; a transpose is written only where it was not so.</summary>
    public TfValue InOrder(TfValue value) =>
        value.ChannelsFirst
            ? Node(
                "Transpose",
                value with
                {
                    Name = Unique(value.Name + "/nhwc"),
                    ChannelsFirst = false,
                },
                [value.Name],
                Attributes.Of("perm", [0, 2, 3, 1])
            )
            : value;

    /// <summary>Name of the ONNX tensor of a value, written first where it is a constant.</summary>
    public string Written(TfValue value) =>
        value.Constant is { } constant ? Constant(constant with { Name = value.Name }) : value.Name;

    /// <summary>The finished model.</summary>
    /// <param name="outputs">Values that become its outputs.</param>
    public OnnxModel Build(IEnumerable<TfValue> outputs)
    {
        foreach (TfValue output in outputs)
            builder.Output(output.Name, Dimensions(output));
        return builder
            .Build(opset: 17, irVersion: 8)
            .With(proto =>
            {
                HashSet<string> stated = [.. proto.Graph.Output.Select(o => o.Name)];
                ValueInfoProto[] others = [.. proto.Graph.ValueInfo.Where(v => !stated.Contains(v.Name))];
                proto.Graph.ValueInfo.Clear();
                proto.Graph.ValueInfo.AddRange(others);
            });
    }

    private static Dimension[] Dimensions(TfValue value) =>
        [.. value.PhysicalShape.Select(d => d < 0 ? Batch : (Dimension)d)];
}

/// <summary>A constant of a TF.js model: a weight, already dequantised, or an integer argument.</summary>
/// <param name="Name">Name in the weights manifest.</param>
/// <param name="Shape">Dimensions in TensorFlow's order; empty for a scalar.</param>
/// <param name="Values">Values [product of Shape], row-major; integers up to 2²⁴ and booleans are exact.</param>
internal sealed record TfTensor(string Name, IReadOnlyList<long> Shape, float[] Values)
{
    public long[] ToIntegers() => [.. Values.Select(v => (long)v)];

    /// <summary>The tensor with its axes permuted: axis i of the result is axis order[i] of this one.</summary>
    public TfTensor Permute(params ReadOnlySpan<int> order)
    {
        int rank = Shape.Count;
        long[] strides = new long[rank];
        long stride = 1;
        for (int axis = rank - 1; axis >= 0; stride *= Shape[axis--])
            strides[axis] = stride;
        long[] shape = new long[rank];
        long[] step = new long[rank];
        for (int i = 0; i < rank; i++)
            (shape[i], step[i]) = (Shape[order[i]], strides[order[i]]);

        float[] result = new float[Values.Length];
        long[] index = new long[rank];
        long source = 0;
        for (int target = 0; target < result.Length; target++)
        {
            result[target] = Values[source];
            for (int axis = rank - 1; axis >= 0; axis--)
            {
                source += step[axis];
                if (++index[axis] < shape[axis])
                    break;
                source -= step[axis] * shape[axis];
                index[axis] = 0;
            }
        }

        return this with
        {
            Shape = shape,
            Values = result,
        };
    }

    /// <summary>The same values under another shape.</summary>
    public TfTensor Reshape(params long[] shape) => this with { Shape = shape };
}

/// <summary>A tensor of the TF.js model during the import, and the ONNX tensor that carries it.</summary>
/// <param name="Name">Name of the ONNX tensor.</param>
/// <param name="Shape">Dimensions in TensorFlow's order; -1 for the batch.</param>
/// <param name="ChannelsFirst">The ONNX tensor is NCHW while TensorFlow's is NHWC; else both have the same
/// order.</param>
/// <param name="Constant">The values, where they are constant; such a tensor is written where and how it is
/// used.</param>
internal sealed record TfValue(string Name, IReadOnlyList<long> Shape, bool ChannelsFirst, TfTensor? Constant = null)
{
    public int Rank => Shape.Count;

    public long Channels => Shape[^1];

    /// <summary>Dimensions of the ONNX tensor.</summary>
    public IReadOnlyList<long> PhysicalShape => ChannelsFirst ? [Shape[0], Shape[3], Shape[1], Shape[2]] : Shape;

    /// <summary>Axis of the ONNX tensor for an axis in TensorFlow's order; negative axes count from the end.</summary>
    public long PhysicalAxis(long axis)
    {
        long positive = axis < 0 ? axis + Rank : axis;
        return ChannelsFirst
            ? positive switch
            {
                1 => 2,
                2 => 3,
                3 => 1,
                _ => positive,
            }
            : positive;
    }

    /// <summary>Height and width of NHWC images.</summary>
    public (long Height, long Width) Size => (Shape[1], Shape[2]);
}

/// <summary>The input of an imported model.</summary>
internal static class InputShape
{
    /// <summary>
    /// Writes the input for a TensorFlow shape [batch, height, width, 3], or [batch, 3, height, width] of a model that
    /// was PyTorch's or ONNX's before.
    /// </summary>
    /// <param name="graph">The graph.</param>
    /// <param name="file">The model's file, for errors.</param>
    /// <param name="name">The input's name in the model.</param>
    /// <param name="shape">Its shape in the model; -1 where it leaves a size open.</param>
    /// <param name="size">Side of the square input in pixels, for sizes left open; a size the model states must
    /// agree.</param>
    /// <param name="free">A size the model states need not agree: only convolutions are imported, and those take
    /// any.</param>
    public static TfValue Write(
        TfGraphWriter graph,
        string file,
        string name,
        IReadOnlyList<long> shape,
        int? size,
        bool free = false
    )
    {
        if (shape is [_, 3, not 3, not 3])
            return graph.Input(name, Side(shape[2]), Side(shape[3]), 3, channelsFirst: true);
        if (shape.Count != 4 || shape[3] != 3)
            throw new TfjsException(
                $"{file}: the input '{name}' has shape [{string.Join(", ", shape)}]; expected RGB images [-1, "
                    + $"height, width, 3] or [-1, 3, height, width]."
            );
        return graph.Input(name, Side(shape[1]), Side(shape[2]), 3, channelsFirst: false);

        long Side(long stated) =>
            stated < 0 ? size ?? throw new TfjsException($"{file}: the input '{name}' leaves its size open; state one.")
            : size is null || size == stated ? stated
            : free ? size.Value
            : throw new TfjsException(
                $"{file}: the input '{name}' is {stated} pixels wide or high; {size} were asked for. Set the size "
                    + $"of the preprocessing to {stated}."
            );
    }
}
