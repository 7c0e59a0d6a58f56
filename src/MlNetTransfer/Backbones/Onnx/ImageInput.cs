using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>The image input of a foreign model, found by its shape alone.</summary>
/// <param name="Name">Name of the tensor.</param>
/// <param name="HalfPrecision">Its elements are float16.</param>
/// <param name="ChannelsLast">It is [N, H, W, 3], else [N, 3, H, W].</param>
/// <param name="Batch">The fixed batch size; null where it is dynamic.</param>
/// <param name="Size">Side of the fixed square; null where height or width is dynamic.</param>
internal sealed record ImageInput(string Name, bool HalfPrecision, bool ChannelsLast, int? Batch, int? Size)
{
    private const string Expected = "expected one image, float [N, 3, height, width] or [N, height, width, 3]";

    public static ImageInput Find(OnnxModel model)
    {
        IReadOnlyList<ValueInfoProto> inputs = model.Inputs;
        if (inputs.Count == 0)
            throw new TransferException($"The model has no input; {Expected}.");
        string found = string.Join(
            ", ",
            inputs.Select(i => $"'{i.Name}' {TensorShape.From(i)?.ToString() ?? "without a shape"}")
        );
        if (inputs.Count > 1)
            throw new TransferException(
                $"The model has {inputs.Count} inputs: {found}; {Expected}. Export it with the image as its only "
                    + $"input and everything else as constants."
            );
        TensorShape? shape = TensorShape.From(inputs[0]);
        if (shape is null || shape.Rank != 4 || shape.ElementType is not (DataType.Float or DataType.Float16))
            throw new TransferException($"The model's input is {found}; {Expected}. Is it a model of images?");
        Dimension[] d = [.. shape.Dimensions];
        bool channelsLast = d[1].Size != 3 && d[3].Size == 3;
        if (!channelsLast && d[1].Size != 3)
            throw new TransferException(
                $"The model's input is {found}, without a dimension of 3 for the colours; {Expected}. Export the "
                    + $"model with its channels fixed at 3; images of other channels are not supported."
            );
        (Dimension height, Dimension width) = channelsLast ? (d[1], d[2]) : (d[2], d[3]);
        if (height.Size is { } h && width.Size is { } w && h != w)
            throw new TransferException(
                $"The model's input is {found}: {h} high and {w} wide. Backbones take squares; export the model "
                    + $"with equal height and width, or with both dynamic."
            );
        long? size = height.Size is null || width.Size is null ? null : height.Size;
        return new ImageInput(
            inputs[0].Name,
            shape.ElementType == DataType.Float16,
            channelsLast,
            d[0].Size is > 0 and var batch ? (int)batch : null,
            size is > 0 ? (int)size : null
        );
    }

    /// <summary>
    /// The side of the square to use: the graph's own, or what was asked for where the graph leaves it open.
    /// </summary>
    public int SizeOr(int? asked) =>
        (Size, asked) switch
        {
            (null, null) => throw new TransferException(
                $"The input '{Name}' leaves its height or width open. Give the size in pixels that the model was "
                    + $"trained with: --input-size 224 (InputSize)."
            ),
            ({ } own, { } other) when own != other => throw new TransferException(
                $"The input '{Name}' is {own} x {own} pixels; {other} were asked for. Leave the input size out, or "
                    + $"export the model with dynamic height and width."
            ),
            _ => Size ?? asked!.Value,
        };

    /// <summary>
    /// The model with the input <c>image</c>, float32 [N, 3, size, size], its layout and type converted where they were
    /// others; shapes that no longer hold are dropped.
    /// </summary>
    public OnnxModel Normalise(OnnxModel model, int size)
    {
        string inner = Name;
        if (Name != Backbone.InputName && model.UniqueName(Backbone.InputName) != Backbone.InputName)
            model = model.RenameTensor(Backbone.InputName, model.UniqueName(Backbone.InputName));
        if (HalfPrecision || ChannelsLast)
        {
            inner = model.UniqueName("model_input");
            model = model.RenameTensor(Name, inner);
        }
        else if (Name != Backbone.InputName)
        {
            model = model.RenameTensor(Name, Backbone.InputName);
        }

        model = model.With(proto =>
        {
            ValueInfoProto[] defaults =
            [
                .. proto.Graph.Input.Where(i => proto.Graph.Initializer.Any(t => t.Name == i.Name)),
            ];
            proto.Graph.Input.Clear();
            proto.Graph.Input.Add(
                new TensorShape(DataType.Float, ["N", 3, size, size]).ToValueInfo(Backbone.InputName)
            );
            proto.Graph.Input.AddRange(defaults);
            proto.Graph.ValueInfo.Clear();
            foreach (ValueInfoProto output in proto.Graph.Output)
                output.Type = null;
        });
        return model.Append(Conversions(model, inner));
    }

    private List<NodeProto> Conversions(OnnxModel model, string inner)
    {
        List<NodeProto> nodes = [];
        string cast =
            HalfPrecision && ChannelsLast ? model.UniqueName("image_half")
            : HalfPrecision ? inner
            : Backbone.InputName;
        if (HalfPrecision)
            nodes.Add(
                new NodeProto
                {
                    OpType = "Cast",
                    Name = cast,
                    Input = { Backbone.InputName },
                    Output = { cast },
                    Attribute = { Attributes.Of("to", (long)DataType.Float16) },
                }
            );
        if (ChannelsLast)
            nodes.Add(
                new NodeProto
                {
                    OpType = "Transpose",
                    Name = inner,
                    Input = { cast },
                    Output = { inner },
                    Attribute = { Attributes.Of("perm", [0, 2, 3, 1]) },
                }
            );
        return nodes;
    }
}
