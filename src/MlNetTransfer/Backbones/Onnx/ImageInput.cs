using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>The image input of a foreign model, found by its shape alone.</summary>
/// <param name="Name">Name of the tensor.</param>
/// <param name="Type">Type of its elements: float32, float16, float64 or uint8.</param>
/// <param name="Channels">1 (grey), 3 or 4 (with an alpha channel).</param>
/// <param name="ChannelsLast">It is [N, H, W, channels], else [N, channels, H, W].</param>
/// <param name="Batch">The fixed batch size; null where it is dynamic.</param>
/// <param name="Height">The fixed height; null where it is dynamic.</param>
/// <param name="Width">The fixed width; null where it is dynamic.</param>
internal sealed record ImageInput(
    string Name,
    DataType Type,
    int Channels,
    bool ChannelsLast,
    int? Batch,
    int? Height,
    int? Width
)
{
    private const string Expected =
        "expected one image, [N, channels, height, width] or [N, height, width, channels] with 1, 3 or 4 channels, "
        + "float or uint8";

    public static ImageInput Find(OnnxModel model)
    {
        IReadOnlyList<ValueInfoProto> inputs = model.Inputs;
        if (inputs.Count == 0)
            throw new TransferException($"The model has no input; {Expected}.");
        string found = string.Join(
            ", ",
            inputs.Select(i => $"'{i.Name}' {TensorShape.From(i)?.ToString() ?? "without a shape"}")
        );
        TensorShape? shape = TensorShape.From(inputs[0]);
        if (inputs.Count > 1)
            throw new TransferException(
                $"The model has {inputs.Count} inputs: {found}; {Expected}. Export it with the image as its only "
                    + $"input and everything else as constants."
            );
        if (
            shape is null
            || shape.Rank != 4
            || shape.ElementType is not (DataType.Float or DataType.Float16 or DataType.Double or DataType.Uint8)
        )
            throw new TransferException($"The model's input is {found}; {Expected}. Is it a model of images?");
        Dimension[] d = [.. shape.Dimensions];
        bool? last =
            d[1].Size == 3 ? false
            : d[3].Size == 3 ? true
            : d[1].Size is 1 or 4 ? false
            : d[3].Size is 1 or 4 ? true
            : null;
        if (last is not { } channelsLast)
            throw new TransferException(
                $"The model's input is {found}, without a dimension of 1, 3 or 4 for the colours; {Expected}. Export "
                    + $"the model with its channels fixed."
            );
        (Dimension height, Dimension width) = channelsLast ? (d[1], d[2]) : (d[2], d[3]);
        return new ImageInput(
            inputs[0].Name,
            shape.ElementType,
            (int)(channelsLast ? d[3] : d[1]).Size!.Value,
            channelsLast,
            Fixed(d[0]),
            Fixed(height),
            Fixed(width)
        );
    }

    /// <summary>
    /// Width and height to use: the graph's own, or what was asked for or stated where the graph leaves them open.
    /// </summary>
    /// <param name="asked">What the user asks for; null for nothing.</param>
    /// <param name="stated">What the file or what lies beside it states.</param>
    /// <exception cref="TransferException">Nobody states a size, or the graph's is another than was asked
    /// for.</exception>
    public (int Width, int Height) ShapeOr((int Width, int Height)? asked, PreprocessingParts stated)
    {
        if (asked is { } other && ((Height ?? other.Height) != other.Height || (Width ?? other.Width) != other.Width))
            throw new TransferException(
                $"The input '{Name}' is {Width?.ToString() ?? "any"} x {Height?.ToString() ?? "any"} pixels; "
                    + $"{other.Width} x {other.Height} were asked for. Leave the input size out, or export the "
                    + $"model with dynamic height and width."
            );
        int? height = Height ?? asked?.Height ?? stated.Height,
            width = Width ?? asked?.Width ?? stated.Width;
        if (height is null || width is null)
            throw new TransferException(
                $"The input '{Name}' leaves its height or width open. Give the size in pixels that the model was "
                    + $"trained with: --input-size 224, or --input-size 320x240 (width x height)."
            );
        return (Side(width.Value), Side(height.Value));
    }

    /// <summary>What the network takes, for people; null where it is what every backbone has.</summary>
    public string? Describe(ChannelOrder order, MeanImage? meanImage)
    {
        List<string> found = [];
        if (Channels == 1)
            found.Add("grey");
        if (Channels == 4)
            found.Add(order == ChannelOrder.Bgr ? "BGRA" : "RGBA, opaque");
        else if (Channels == 3 && order == ChannelOrder.Bgr)
            found.Add("BGR");
        if (meanImage is not null)
            found.Add("less a mean image");
        if (Type != DataType.Float)
            found.Add(Type.ToString().ToLowerInvariant());
        if (ChannelsLast)
            found.Add("channels last");
        if (Batch is { } batch)
            found.Add($"batch of {batch}");
        return found.Count == 0 ? null : string.Join(", ", found);
    }

    /// <summary>
    /// The model with the input <c>image</c>, float32 RGB [N, 3, height, width]: order, number and layout of its
    /// channels and its type are converted where they were others; shapes that no longer hold are dropped.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="shape">Width and height.</param>
    /// <param name="order">Order in which it takes its channels.</param>
    /// <param name="scale">How pixels become numbers, as far as it is known; needed for an alpha channel.</param>
    /// <param name="meanImage">What is subtracted, on the scale 0..1; null for nothing.</param>
    public OnnxModel Normalise(
        OnnxModel model,
        (int Width, int Height) shape,
        ChannelOrder order,
        ChannelScale? scale,
        MeanImage? meanImage
    )
    {
        if (Name != Backbone.InputName && model.UniqueName(Backbone.InputName) != Backbone.InputName)
            model = model.RenameTensor(Backbone.InputName, model.UniqueName(Backbone.InputName));
        string inner = model.UniqueName("model_input");
        model = model.RenameTensor(Name, inner);
        InputConversion conversion = new(model, inner);
        if (meanImage is not null)
            conversion.Subtract(meanImage, scale ?? throw new ArgumentNullException(nameof(scale)));
        if (Channels == 3 && order == ChannelOrder.Bgr)
            conversion.Reverse();
        else if (Channels == 1)
            conversion.ToGrey();
        else if (Channels == 4)
            conversion.AddAlpha(order, scale);
        if (Type == DataType.Uint8)
            conversion.Round();
        if (Type != DataType.Float)
            conversion.Cast(Type);
        if (ChannelsLast)
            conversion.ToChannelsLast();
        if (conversion.IsEmpty)
            model = model.RenameTensor(inner, Backbone.InputName);
        model = model.With(proto =>
        {
            ValueInfoProto[] defaults =
            [
                .. proto.Graph.Input.Where(i => proto.Graph.Initializer.Any(t => t.Name == i.Name)),
            ];
            proto.Graph.Input.Clear();
            proto.Graph.Input.Add(
                new TensorShape(DataType.Float, ["N", 3, shape.Height, shape.Width]).ToValueInfo(Backbone.InputName)
            );
            proto.Graph.Input.AddRange(defaults);
            proto.Graph.ValueInfo.Clear();
            foreach (ValueInfoProto output in proto.Graph.Output)
                if (output.Type?.TensorType is not null)
                    output.Type = null;
        });
        return conversion.IsEmpty ? model : conversion.AppendTo(model);
    }

    private static int? Fixed(Dimension side) =>
        side.Size is > 0 and var size ? (int)Math.Min(size, int.MaxValue) : null;

    private static int Side(int side) =>
        side is >= 8 and <= 4096
            ? side
            : throw new TransferException(
                $"The input is {side} pixels wide or high; 8 to 4096 were expected. Is it a model of images?"
            );
}

/// <summary>The nodes between the input that every backbone has and that of a foreign model.</summary>
/// <param name="model">The model that they are to be put before.</param>
/// <param name="inner">Its input's name, which the last node gives.</param>
internal sealed class InputConversion(OnnxModel model, string inner)
{
    // ITU-R BT.601, as Pillow, OpenCV and TensorFlow turn colours into grey; of what was resized, without rounding.
    private static readonly float[] Luma = [0.299f, 0.587f, 0.114f];

    private readonly List<NodeProto> nodes = [];
    private readonly List<TensorProto> constants = [];
    private string current = Backbone.InputName;

    public bool IsEmpty => nodes.Count == 0;

    /// <summary>Subtracts an image, on the scale of the tensor.</summary>
    public void Subtract(MeanImage image, ChannelScale scale)
    {
        float[] values = image.Values.ToArray(),
            std = [scale.Std.Red, scale.Std.Green, scale.Std.Blue];
        int plane = image.Height * image.Width;
        for (int i = 0; i < values.Length; i++)
            values[i] /= std[i / plane];
        Add("Sub", "image/centred", [current, Floats("image/mean", values, 1, 3, image.Height, image.Width)]);
    }

    /// <summary>Blue first.</summary>
    public void Reverse() => Gather("image/bgr", 2, 1, 0);

    /// <summary>One channel: the luma of the three.</summary>
    public void ToGrey()
    {
        // A sum that keeps its dimension is written differently in every few operator sets; slices never were.
        Add("Mul", "image/weighted", [current, Floats("image/luma", Luma, 1, 3, 1, 1)]);
        string weighted = current;
        string[] channels = new string[3];
        for (int i = 0; i < channels.Length; i++)
        {
            current = weighted;
            Gather(FormattableString.Invariant($"image/channel_{i}"), i);
            channels[i] = current;
        }

        Add("Add", "image/two", channels[..2]);
        Add("Add", "image/grey", [current, channels[2]]);
    }

    /// <summary>An opaque fourth channel.</summary>
    /// <exception cref="TransferException">The scale is not the same for all channels, so that of alpha is not
    /// known.</exception>
    public void AddAlpha(ChannelOrder order, ChannelScale? scale)
    {
        if (scale is { IsGrey: false })
            throw new TransferException(
                "The model takes four channels, and its mean and deviation differ between the colours, so nobody knows "
                    + "those of the fourth. Give --preprocessing unit, minus1to1 or raw255, or one mean and one "
                    + "deviation."
            );
        if (order == ChannelOrder.Bgr)
            Reverse();
        string colours = current;
        Gather("image/first", 0);
        Add("Mul", "image/nothing", [current, Floats("image/zero", [0f], 1)]);
        float opaque = scale is null ? 1 : (1 - scale.Mean.Red) / scale.Std.Red;
        Add("Add", "image/alpha", [current, Floats("image/opaque", [opaque], 1)]);
        Add("Concat", "image/rgba", [colours, current], Attributes.Of("axis", 1));
    }

    /// <summary>The nearest whole number.</summary>
    public void Round()
    {
        // Half up, for pixels that are whole numbers but for the rounding of a division; Round is not in every set.
        Add("Add", "image/half", [current, Floats("image/half_by", [0.5f], 1)]);
        Add("Floor", "image/whole", [current]);
    }

    public void Cast(DataType type) => Add("Cast", "image/cast", [current], Attributes.Of("to", (long)type));

    public void ToChannelsLast() => Add("Transpose", "image/last", [current], Attributes.Of("perm", [0, 2, 3, 1]));

    public OnnxModel AppendTo(OnnxModel to)
    {
        nodes[^1].Output[0] = inner;
        return to.Append(nodes, constants);
    }

    private void Gather(string name, params long[] channels) =>
        Add(
            "Gather",
            name,
            [current, Constant(TensorData.Longs(model.UniqueName($"{name}_of"), channels, channels.Length))],
            Attributes.Of("axis", 1)
        );

    private string Floats(string name, float[] values, params long[] shape) =>
        Constant(TensorData.Floats(model.UniqueName(name), values, shape));

    private string Constant(TensorProto constant)
    {
        constants.Add(constant);
        return constant.Name;
    }

    private void Add(string type, string name, string[] inputs, params AttributeProto[] attributes)
    {
        string free = model.UniqueName(name);
        nodes.Add(
            new NodeProto
            {
                OpType = type,
                Name = free,
                Input = { inputs },
                Output = { free },
                Attribute = { attributes },
            }
        );
        current = free;
    }
}
