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
