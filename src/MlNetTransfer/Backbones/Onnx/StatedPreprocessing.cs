using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones.Onnx;

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
