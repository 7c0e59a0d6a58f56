using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>What somebody states of a network's preprocessing.</summary>
/// <param name="Source">Who, for people: "the file's metadata".</param>
/// <param name="Parts">What.</param>
public sealed record PreprocessingStatement(string Source, PreprocessingParts Parts);

/// <summary>
/// What a file says of its input: in its metadata, that of this product's own models or ONNX's own entries for images
/// (Image.BitmapPixelFormat, Image.NominalPixelRange; ONNX, docs/MetadataProps.md), and in its first nodes.
/// </summary>
internal static class StatedPreprocessing
{
    private const string Own = "mlnet_transfer.";
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>What the file states, the surest first.</summary>
    public static IEnumerable<PreprocessingStatement> Of(OnnxModel model, ImageInput input)
    {
        if (Parse<Preprocessing>(model.Metadata, "preprocessing") is { } own)
            yield return new("the file's metadata", PreprocessingParts.Of(own));
        PreprocessingParts image = OfImage(model.Metadata);
        if (image != PreprocessingParts.None)
            yield return new("the file's metadata", image);
        if (input.Type == DataType.Uint8)
            yield return new("the type of its input, uint8", new PreprocessingParts { Scale = NamedPreprocessing.Raw });
        if (FirstNodes.Scale(model, input.Name) is { } scale)
            yield return new("its first nodes", new PreprocessingParts { Scale = scale });
    }

    /// <summary>
    /// What the user states, and of what he does not, what the others do; a contradiction is an error.
    /// </summary>
    /// <param name="asked">What the user states.</param>
    /// <param name="others">What the file, or what lies beside it, states; the surest first.</param>
    /// <param name="overrule">Whether the user is right where they contradict.</param>
    /// <exception cref="TransferException">Two of them contradict each other.</exception>
    public static PreprocessingParts Merge(
        PreprocessingParts asked,
        IReadOnlyList<PreprocessingStatement> others,
        bool overrule
    )
    {
        PreprocessingParts merged = asked;
        string source = "you";
        foreach (PreprocessingStatement other in others)
        {
            if (!overrule && PreprocessingParts.Contradiction(merged, other.Parts) is { } what)
                throw new TransferException(
                    $"The preprocessing is stated twice, differently: {what}, by {source} and by {other.Source}. One "
                        + "of them is wrong. Leave yours out, or give --overrule if you are sure."
                );
            if (merged == asked && asked == PreprocessingParts.None)
                source = other.Source;
            merged = merged.Or(other.Parts);
        }

        return merged;
    }

    /// <summary>The labels of this product's own models, or of a map of scores (ZipMap); empty for others.</summary>
    public static IReadOnlyList<string> Labels(OnnxModel model)
    {
        if (Parse<string[]>(model.Metadata, "labels") is { } own)
            return own;
        AttributeProto? names = model
            .Nodes.FirstOrDefault(n => n.OpType == ClassifierOutput.Map)
            ?.Attribute.FirstOrDefault(a => a.Name == "classlabels_strings");
        return names is null ? [] : [.. names.Strings.Select(s => s.ToStringUtf8())];
    }

    private static PreprocessingParts OfImage(IReadOnlyDictionary<string, string> metadata)
    {
        PreprocessingParts parts = PreprocessingParts.None;
        if (metadata.TryGetValue("Image.BitmapPixelFormat", out string? format))
            parts = parts with
            {
                Order = format switch
                {
                    "Bgr8" or "Bgra8" => ChannelOrder.Bgr,
                    "Rgb8" or "Rgba8" or "Gray8" => ChannelOrder.Rgb,
                    _ => throw new TransferException(
                        $"The file's metadata has Image.BitmapPixelFormat '{format}'; Gray8, Rgb8, Bgr8, Rgba8 or "
                            + "Bgra8 were expected. Export the model again."
                    ),
                },
            };
        if (metadata.TryGetValue("Image.NominalPixelRange", out string? range))
            parts = parts with
            {
                Scale = range switch
                {
                    "NominalRange_0_255" => NamedPreprocessing.Raw,
                    "NominalRange_16_235" => ChannelScale.Uniform(219, -16, 1),
                    "Normalized_0_1" => NamedPreprocessing.Unit,
                    "Normalized_1_1" => NamedPreprocessing.MinusOneToOne,
                    _ => throw new TransferException(
                        $"The file's metadata has Image.NominalPixelRange '{range}'; NominalRange_0_255, "
                            + "NominalRange_16_235, Normalized_0_1 or Normalized_1_1 were expected. Export the model "
                            + "again."
                    ),
                },
            };
        return parts;
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

/// <summary>
/// What a graph's first nodes do to its input: where they normalise it, its values are those before that.
/// </summary>
internal static class FirstNodes
{
    /// <summary>The scale of the input; null where the first nodes do not tell.</summary>
    public static ChannelScale? Scale(OnnxModel model, string input)
    {
        Dictionary<string, TensorProto> constants = ConstantTensors.Of(model);
        double factor = 1,
            offset = 0;
        string tensor = input;
        while (model.Nodes.Where(n => n.Input.Contains(tensor)).Take(2).ToArray() is [var node])
        {
            if (Constant(node, tensor, constants) is { } by)
                (factor, offset) = node.OpType switch
                {
                    "Add" => (factor, offset + by),
                    "Sub" when node.Input[0] == tensor => (factor, offset - by),
                    "Mul" => (factor * by, offset * by),
                    "Div" when node.Input[0] == tensor && by != 0 => (factor / by, offset / by),
                    _ => (double.NaN, double.NaN),
                };
            else if (node.OpType is not ("Identity" or "Cast" or "Transpose" or "Dropout"))
                break;
            if (!double.IsFinite(factor) || factor == 0)
                return null;
            tensor = node.Output[0];
        }

        double mean = -offset / factor,
            deviation = 1 / Math.Abs(factor);
        return (mean, deviation) switch
        {
            // 0..255: a mean of colours, or a division by 255, 127.5 or a deviation on that scale.
            (> 60 and < 200, > 0.5 and < 300) or (>= 0 and < 200, > 20 and < 300) => NamedPreprocessing.Raw,
            // 0..1: the mean and deviation of images, or 2 x - 1.
            (> 0.2 and < 0.8, > 0.1 and < 0.7) => NamedPreprocessing.Unit,
            _ => null,
        };
    }

    /// <summary>
    /// The constant that an operator of two operands combines the tensor with, the mean of a larger one.
    /// </summary>
    private static double? Constant(NodeProto node, string tensor, Dictionary<string, TensorProto> constants)
    {
        if (node.OpType is not ("Add" or "Sub" or "Mul" or "Div") || node.Input.Count != 2)
            return null;
        string other = node.Input[0] == tensor ? node.Input[1] : node.Input[0];
        if (
            !constants.TryGetValue(other, out TensorProto? constant)
            || constant.DataType is not ((int)DataType.Float or (int)DataType.Float16)
        )
            return null;
        float[] values = TensorData.ToFloats(constant);
        return values.Length == 0 ? null : values.Average(v => (double)v);
    }
}

/// <summary>The constants of a graph: initialisers, and what Constant nodes give.</summary>
internal static class ConstantTensors
{
    public static Dictionary<string, TensorProto> Of(OnnxModel model)
    {
        Dictionary<string, TensorProto> constants = model.Initializers.ToDictionary(i => i.Name);
        foreach (NodeProto node in model.Nodes.Where(n => n.OpType == "Constant"))
            if (node.Attribute.FirstOrDefault(a => a.Name == "value")?.T is { } value)
                constants[node.Output[0]] = value;
        return constants;
    }
}
