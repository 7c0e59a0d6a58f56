using System.Text;
using System.Text.Json;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>
/// What lies beside a model file and says what it takes and knows: config.json of timm and Hugging Face,
/// preprocessor_config.json of Hugging Face, metadata.json of Teachable Machine, labels.txt of Custom Vision.
/// </summary>
internal sealed class CompanionFiles
{
    private const int MostBytes = 16 << 20;
    private readonly List<PreprocessingStatement> statements = [];

    private CompanionFiles() { }

    /// <summary>What they state of the preprocessing, the surest first.</summary>
    public IReadOnlyList<PreprocessingStatement> Statements => statements;

    /// <summary>Names of the classes in the order of the output; null where no file has them.</summary>
    public IReadOnlyList<string>? Labels { get; private set; }

    /// <summary>Name of the file that has them.</summary>
    public string? LabelsFile { get; private set; }

    /// <summary>Reads what is in a folder.</summary>
    /// <param name="folder">The folder of the model; null for nothing.</param>
    /// <exception cref="TransferException">A file is damaged; the message names it.</exception>
    public static CompanionFiles In(string? folder)
    {
        var found = new CompanionFiles();
        if (folder is null)
            return found;
        Read(folder, "metadata.json", found.TeachableMachine);
        Read(folder, "preprocessor_config.json", found.HuggingFace);
        Read(folder, "config.json", found.Timm);
        string labels = Path.Combine(folder, "labels.txt");
        if (found.Labels is null && File.Exists(labels))
            (found.Labels, found.LabelsFile) = (LabelList.Read(labels), "labels.txt");
        return found;
    }

    private static void Read(string folder, string name, Action<JsonElement> read)
    {
        string file = Path.Combine(folder, name);
        if (!File.Exists(file))
            return;
        try
        {
            if (new FileInfo(file).Length > MostBytes)
                throw new JsonException($"it is larger than {MostBytes:N0} bytes.");
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file));
            if (document.RootElement.ValueKind == JsonValueKind.Object)
                read(document.RootElement);
        }
        catch (Exception cause)
            when (cause
                    is JsonException
                        or InvalidOperationException
                        or FormatException
                        or ArgumentException
                        or KeyNotFoundException
                        or IOException
                        or UnauthorizedAccessException
            )
        {
            throw new TransferException(
                $"{file} lies beside the model and cannot be understood: {cause.Message} Mend it, or give the model in "
                    + "a folder of its own.",
                cause
            );
        }
    }

    // Teachable Machine cuts the middle square out and scales it to -1..1, whatever the model (its library, src/utils).
    private void TeachableMachine(JsonElement root)
    {
        if (!root.TryGetProperty("labels", out JsonElement labels) || labels.ValueKind != JsonValueKind.Array)
            return;
        LabelsFile = "metadata.json";
        Labels = [.. labels.EnumerateArray().Select(l => l.GetString() ?? "")];
        int? size = root.TryGetProperty("imageSize", out JsonElement side) ? side.GetInt32() : null;
        statements.Add(
            new(
                "metadata.json of Teachable Machine",
                NamedPreprocessing.Find("minus1to1") with
                {
                    Height = size,
                    Width = size,
                    Framing = Framing.CenterCrop,
                    Interpolation = Interpolation.Bilinear,
                }
            )
        );
    }

    private void Timm(JsonElement root)
    {
        if (Labels is null && root.TryGetProperty("id2label", out JsonElement ids))
        {
            LabelsFile = "config.json";
            Labels =
            [
                .. Enumerable
                    .Range(0, ids.EnumerateObject().Count())
                    .Select(i => ids.GetProperty(FormattableString.Invariant($"{i}")).GetString() ?? ""),
            ];
        }

        JsonElement config = root.TryGetProperty("pretrained_cfg", out JsonElement inner) ? inner : root;
        if (!config.TryGetProperty("mean", out JsonElement mean) || !config.TryGetProperty("std", out JsonElement std))
            return;
        double? crop = config.TryGetProperty("crop_pct", out JsonElement share) ? share.GetDouble() : null;
        int[]? size = config.TryGetProperty("input_size", out JsonElement sides)
            ? [.. sides.EnumerateArray().Select(s => s.GetInt32())]
            : null;
        statements.Add(
            new(
                "config.json of timm",
                new PreprocessingParts
                {
                    Order = ChannelOrder.Rgb,
                    Scale = new ChannelScale(Values(mean), Values(std)),
                    Height = size?[1],
                    Width = size?[2],
                    Framing = crop is null ? null : Framing.ResizeCrop,
                    CropFraction = crop,
                    Interpolation = config.TryGetProperty("interpolation", out JsonElement filter)
                        ? Filter(filter.GetString() ?? "")
                        : null,
                }
            )
        );
    }

    private void HuggingFace(JsonElement root)
    {
        bool Is(string name, bool standard) =>
            root.TryGetProperty(name, out JsonElement flag) ? flag.GetBoolean() : standard;
        float factor = Is("do_rescale", true)
            ? 255 * (root.TryGetProperty("rescale_factor", out JsonElement f) ? f.GetSingle() : 1 / 255f)
            : 255;
        ChannelScale scale = Is("rescale_offset", false)
            ? ChannelScale.Uniform(factor, 1, 1)
            : ChannelScale.Uniform(factor, 0, 1);
        if (Is("do_normalize", true) && root.TryGetProperty("image_mean", out JsonElement mean))
            scale = ChannelScale.Of(factor, Values(mean), Values(root.GetProperty("image_std")));
        (int? height, int? width, int? shortest) = Sides(root, "size");
        PreprocessingParts parts = new()
        {
            Order = ChannelOrder.Rgb,
            Scale = scale,
            Interpolation = root.TryGetProperty("resample", out JsonElement filter)
                ? OfPillow(filter.GetInt32())
                : null,
        };
        if (Is("do_center_crop", false) && Sides(root, "crop_size") is ({ } cropHeight, { } cropWidth, _))
            parts = parts with
            {
                Height = cropHeight,
                Width = cropWidth,
                Framing = Framing.ResizeCrop,
                CropFraction = Math.Min(
                    1,
                    (double)Math.Min(cropHeight, cropWidth) / (shortest ?? height ?? cropHeight)
                ),
            };
        else if (shortest is { } side && root.TryGetProperty("crop_pct", out JsonElement share))
            parts = parts with
            {
                Height = side,
                Width = side,
                Framing = Framing.ResizeCrop,
                CropFraction = share.GetDouble(),
            };
        else
            parts = parts with { Height = height, Width = width, Framing = height is null ? null : Framing.Stretch };
        statements.Add(new("preprocessor_config.json", parts));
    }

    /// <summary>A size: one number, height and width, or the shorter side alone.</summary>
    private static (int? Height, int? Width, int? Shortest) Sides(JsonElement root, string name)
    {
        if (!root.TryGetProperty(name, out JsonElement size))
            return (null, null, null);
        if (size.ValueKind == JsonValueKind.Number)
            return (size.GetInt32(), size.GetInt32(), size.GetInt32());
        if (size.TryGetProperty("shortest_edge", out JsonElement shortest))
            return (null, null, shortest.GetInt32());
        return (size.GetProperty("height").GetInt32(), size.GetProperty("width").GetInt32(), null);
    }

    private static Interpolation Filter(string name) =>
        Enum.TryParse(name, ignoreCase: true, out Interpolation filter)
            ? filter
            : throw new FormatException($"the interpolation '{name}' is not known.");

    // PIL.Image.Resampling.
    private static Interpolation OfPillow(int number) =>
        number switch
        {
            0 => Interpolation.Nearest,
            1 => Interpolation.Lanczos,
            2 => Interpolation.Bilinear,
            3 => Interpolation.Bicubic,
            _ => throw new FormatException($"resample {number} is not known; 0 to 3 are."),
        };

    private static ChannelValues Values(JsonElement list) =>
        list.EnumerateArray().Select(v => v.GetSingle()).ToArray() switch
        {
            [var red, var green, var blue] => new(red, green, blue),
            [var grey] => new(grey, grey, grey),
            var other => throw new FormatException($"{other.Length} values for the channels; three were expected."),
        };
}

/// <summary>A text file with one class per line.</summary>
public static class LabelList
{
    /// <summary>Reads the labels.</summary>
    /// <param name="file">UTF-8 text.</param>
    /// <exception cref="TransferException">The file cannot be read, or has an empty line before the end.</exception>
    public static IReadOnlyList<string> Read(string file)
    {
        try
        {
            string[] lines =
            [
                .. File.ReadAllText(file, new UTF8Encoding(false, throwOnInvalidBytes: true))
                    .TrimEnd()
                    .Split('\n')
                    .Select(l => l.Trim()),
            ];
            int empty = Array.IndexOf(lines, "");
            return empty < 0
                ? lines
                : throw new TransferException(
                    $"{file}: line {empty + 1} is empty; expected one class per line, in the order of the model's "
                        + $"output."
                );
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException or DecoderFallbackException)
        {
            throw new TransferException(
                $"{file} could not be read as UTF-8 text ({cause.Message}). Give a text file with one class per line.",
                cause
            );
        }
    }
}
