using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Imaging;
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

/// <summary>
/// Frees a graph that was exported for a fixed number of images, and checks that images do not depend on their
/// neighbours.
/// </summary>
internal static class BatchDimension
{
    /// <summary>
    /// Reshapes of what depends on the image state the batch as their first size; that becomes "whatever is left" (-1),
    /// or "as before" (0) where another size already is. <see cref="Check"/> shows whether that was all.
    /// </summary>
    public static OnnxModel Free(OnnxModel model, GraphPath path, int batch)
    {
        Dictionary<string, TensorProto> constants = model.Initializers.ToDictionary(i => i.Name);
        foreach (NodeProto node in model.Nodes.Where(n => n.OpType == "Constant"))
            if (node.Attribute.FirstOrDefault(a => a.Name == "value")?.T is { } value)
                constants[node.Output[0]] = value;
        HashSet<string> made = [];
        return model.With(proto =>
        {
            foreach (
                NodeProto node in proto.Graph.Node.Where(n => n.OpType == "Reshape" && path.DependsOnImage(n.Input[0]))
            )
            {
                if (
                    !constants.TryGetValue(node.Input[1], out TensorProto? stated)
                    || TensorData.ToLongs(stated) is not [var first, ..] sizes
                    || first != batch
                )
                    continue;
                sizes[0] = sizes.Skip(1).Contains(-1) ? 0 : -1;
                string name = NameAllocator.First($"{node.Output[0]}_free_batch", made);
                made.Add(name);
                proto.Graph.Initializer.Add(TensorData.Longs(name, sizes, sizes.Length));
                node.Input[1] = name;
            }
        });
    }

    /// <summary>
    /// Runs two images together and one by one; the values must be those of each image alone, and finite.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="tensors">Tensors to compare, the output last.</param>
    /// <param name="size">Side of the input in pixels.</param>
    /// <param name="stated">The fixed batch that the file stated; null where it was dynamic.</param>
    public static void Check(OnnxModel model, IReadOnlyList<string> tensors, int size, int? stated)
    {
        float[] two = SampleRun.Noise(2, size);
        string fix = stated is null
            ? "Export the model for inference (eval mode)."
            : $"Its batch is fixed at {stated} and could not be made dynamic. Export it with a dynamic batch.";
        IReadOnlyDictionary<string, SampleRun.Result> together;
        try
        {
            together = SampleRun.Of(model, tensors, two, 2, size);
        }
        catch (TransferException cause) when (stated is not null)
        {
            throw new TransferException($"The model does not run on 2 images at once: {cause.Message} {fix}", cause);
        }

        for (int i = 0; i < 2; i++)
        {
            IReadOnlyDictionary<string, SampleRun.Result> alone = SampleRun.Of(
                model,
                tensors,
                two[(i * two.Length / 2)..((i + 1) * two.Length / 2)],
                1,
                size
            );
            foreach (string tensor in tensors)
                Compare(tensor, together[tensor], alone[tensor], i, fix);
        }
    }

    private static void Compare(string tensor, SampleRun.Result together, SampleRun.Result alone, int image, string fix)
    {
        if (
            alone.Shape is not [1, ..]
            || together.Shape is not [2, ..]
            || !alone.Shape.Skip(1).SequenceEqual(together.Shape.Skip(1))
        )
            throw new TransferException(
                $"Tensor '{tensor}' is [{string.Join(", ", alone.Shape)}] for one image and "
                    + $"[{string.Join(", ", together.Shape)}] for two; expected the same with the number of images "
                    + $"first. {fix}"
            );
        float scale = Math.Max(1e-6f, alone.Values.Max(Math.Abs));
        if (!alone.Values.All(float.IsFinite))
            throw new TransferException(
                $"Tensor '{tensor}' is not finite (NaN or infinite) for an image of noise. The weights are damaged, "
                    + $"or the model was not exported whole."
            );
        for (int i = 0; i < alone.Values.Length; i++)
            // Kernels may sum a batch in another order: a thousandth of the largest value is far above that, and far
            // below another image's values.
            if (!(Math.Abs(alone.Values[i] - together.Values[image * alone.Values.Length + i]) <= 1e-3f * scale))
                throw new TransferException(
                    $"Tensor '{tensor}' of an image depends on the other images of the batch. {fix}"
                );
    }
}

/// <summary>
/// What a file's metadata says of its input: that of this product's own models, or ONNX's own entries for images
/// (Image.BitmapPixelFormat, Image.NominalPixelRange; ONNX, docs/MetadataProps.md).
/// </summary>
internal static class StatedPreprocessing
{
    private const string Own = "mlnet_transfer.";
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>The preprocessing: what the options say, else what the metadata says.</summary>
    /// <exception cref="TransferException">Neither says how pixels become numbers; the message names the
    /// options.</exception>
    public static Preprocessing Of(OnnxModel model, OnnxInspectionOptions options, int size)
    {
        Preprocessing? stated = Stated(model.Metadata, size);
        if ((options.Mean is null) != (options.Std is null))
            throw new TransferException(
                "Mean and standard deviation go together: give both, --mean r,g,b --std r,g,b, or neither."
            );
        if (options.Mean is null && stated is null)
            throw new TransferException(
                "The file does not say how pixels become numbers, and a wrong guess costs accuracy silently. Give "
                    + "--preprocessing imagenet (mean 0.485,0.456,0.406 and standard deviation 0.229,0.224,0.225, "
                    + "as torchvision and timm mostly do), --preprocessing unit (0 to 1), --preprocessing "
                    + "minus1to1, or --mean r,g,b --std r,g,b (Mean, Std)."
            );
        Preprocessing known = stated ?? new Preprocessing { Size = size };
        return known with
        {
            Size = size,
            Mean = options.Mean ?? known.Mean,
            Std = options.Std ?? known.Std,
            Framing = options.Framing ?? known.Framing,
            Interpolation = options.Interpolation ?? known.Interpolation,
        };
    }

    /// <summary>The labels of this product's own models; empty for others.</summary>
    public static IReadOnlyList<string> Labels(IReadOnlyDictionary<string, string> metadata) =>
        Parse<string[]>(metadata, "labels") ?? [];

    private static Preprocessing? Stated(IReadOnlyDictionary<string, string> metadata, int size)
    {
        if (Parse<Preprocessing>(metadata, "preprocessing") is { } own)
            return own;
        if (!metadata.TryGetValue("Image.NominalPixelRange", out string? range))
            return null;
        if (metadata.TryGetValue("Image.BitmapPixelFormat", out string? format) && format is not ("Rgb8" or "Rgba8"))
            throw new TransferException(
                $"The file's metadata has Image.BitmapPixelFormat '{format}'; images come as RGB. Export the model "
                    + $"with RGB input, or give --mean and --std if the entry is wrong and the model takes RGB."
            );
        const float half = 0.5f;
        return range switch
        {
            "NominalRange_0_255" => new Preprocessing { Size = size, Std = new(1f / 255, 1f / 255, 1f / 255) },
            "Normalized_0_1" => new Preprocessing { Size = size },
            "Normalized_1_1" => new Preprocessing
            {
                Size = size,
                Mean = new(half, half, half),
                Std = new(half, half, half),
            },
            _ => null,
        };
    }

    private static T? Parse<T>(IReadOnlyDictionary<string, string> metadata, string key)
        where T : class
    {
        if (!metadata.TryGetValue(Own + key, out string? text))
            return null;
        try
        {
            return JsonSerializer.Deserialize<T>(text, Json);
        }
        catch (Exception cause) when (cause is JsonException or ArgumentException)
        {
            throw new TransferException(
                $"The file's metadata entry {Own}{key} cannot be understood: {cause.Message} Train the model again, "
                    + $"or remove the entry.",
                cause
            );
        }
    }
}
