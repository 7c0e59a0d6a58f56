using System.CommandLine;
using System.Globalization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>What a command line says of a network's preprocessing.</summary>
internal sealed record StatedOnCommandLine
{
    public string? Name { get; init; }

    public float? Most { get; init; }

    public ChannelValues? Mean { get; init; }

    public ChannelValues? Std { get; init; }

    public string? MeanImage { get; init; }

    public PreprocessingParts Parts { get; init; } = PreprocessingParts.None;

    public bool Overrules { get; init; }

    public string? Output { get; init; }

    public string? Images { get; init; }

    /// <summary>The options of an inspection.</summary>
    /// <exception cref="TransferException">Two of the flags say the same thing, or one lacks another.</exception>
    public OnnxInspectionOptions ToOptions()
    {
        if (Name is not null && (Most ?? (object?)Mean ?? Std) is not null)
            throw new TransferException(
                "--preprocessing and --scale, --mean or --std say the same thing; give one of them."
            );
        if (Mean is null != Std is null)
            throw new TransferException("--mean and --std go together; give both.");
        PreprocessingParts named = Name is null ? PreprocessingParts.None : NamedPreprocessing.Find(Name);
        float most = Most ?? 1;
        ChannelScale? scale =
            Mean is { } mean ? ChannelScale.Of(most, mean, Std!.Value)
            : Most is null ? null
            : ChannelScale.Of(most, default, new(1, 1, 1));
        PreprocessingParts parts = (Parts with { Scale = scale }).Or(named);
        if (MeanImage is not null)
            parts = parts with
            {
                MeanImage = Backbones.MeanImage.Read(MeanImage, Most ?? 255, parts.Order ?? ChannelOrder.Rgb),
            };
        return new OnnxInspectionOptions
        {
            Preprocessing = parts,
            Overrules = Overrules,
            Output = Output,
            Images = Images is null ? [] : SampleFolder.Read(Images),
        };
    }
}

/// <summary>The flags that state a preprocessing.</summary>
internal static class PreprocessingFlags
{
    /// <summary>Images to try a network with.</summary>
    public const string ImagesHelp =
        "Images to check the preprocessing with, a folder or list; with classes, networks without batch normalisation "
        + "are judged by how well they tell these apart. Default: made ones.";

    public static IEnumerable<Option> Of(Flags<StatedOnCommandLine> flags) =>
        [
            flags.Written<(int Width, int Height)>(
                "--input-size",
                "Size of the input, where the file leaves it open: a side, or width x height.",
                "224|320x240",
                Sides,
                (o, s) => o with { Parts = o.Parts with { Width = s.Width, Height = s.Height } }
            ),
            flags.Text(
                "--preprocessing",
                "How pixels become numbers, by name. What the file states is read, and what is stated is checked "
                    + "against what the network remembers of its training; without either it is found where that is "
                    + "clear.",
                NamedPreprocessing.Forms,
                (o, name) => o with { Name = name }
            ),
            flags.Choice<ChannelOrder>(
                "--channels",
                "Order in which the network takes the channels.",
                (o, order) => o with { Parts = o.Parts with { Order = order } }
            ),
            flags.Written<float>(
                "--scale",
                "What a white pixel is for the network before mean and deviation: 1 or 255. Those are on this scale.",
                "number",
                Positive,
                (o, most) => o with { Most = most }
            ),
            flags.Written<ChannelValues>(
                "--mean",
                "Mean per channel, red first.",
                "r,g,b",
                text => Channels("--mean", text),
                (o, mean) => o with { Mean = mean }
            ),
            flags.Written<ChannelValues>(
                "--std",
                "Standard deviation per channel, red first.",
                "r,g,b",
                text => Channels("--std", text),
                (o, std) => o with { Std = std }
            ),
            flags.Text(
                "--mean-image",
                "An .npy file that is subtracted of every image, on the scale 0 to 255 or that of --scale.",
                "file",
                (o, file) => o with { MeanImage = file }
            ),
            flags.Choice<Framing>(
                "--framing",
                "How an image fills the input.",
                (o, framing) => o with { Parts = o.Parts with { Framing = framing } }
            ),
            flags.Number<double>(
                "--crop",
                "For --framing resizecrop: the share that is cut out, such as 0.875 for 224 of 256 pixels.",
                "share",
                (o, share) => o with { Parts = o.Parts with { CropFraction = share } }
            ),
            flags.Choice<Interpolation>(
                "--interpolation",
                "The resampling filter.",
                (o, filter) => o with { Parts = o.Parts with { Interpolation = filter } }
            ),
            flags.Switch(
                "--overrule",
                "What you state is right where the file states something else.",
                o => o with { Overrules = true }
            ),
            flags.Text("--images", ImagesHelp, "folder|list", (o, images) => o with { Images = images }),
        ];

    private static (int Width, int Height) Sides(string text)
    {
        int[] sides =
        [
            .. text.Split('x')
                .Select(s =>
                    int.TryParse(s, NumberStyles.None, CultureInfo.InvariantCulture, out int side) ? side : -1
                ),
        ];
        return sides is [>= 8 and <= 4096, ..] && sides.Length <= 2 && sides.All(s => s is >= 8 and <= 4096)
            ? (sides[0], sides[^1])
            : throw new FormatException(
                $"'{text}' is no size; a number from 8 to 4096 was expected, or two as 320x240 (width x height)."
            );
    }

    private static float Positive(string text) =>
        float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float number)
        && float.IsFinite(number)
        && number > 0
            ? number
            : throw new FormatException($"'{text}' is no number above 0, such as 1 or 255.");

    private static ChannelValues Channels(string name, string text)
    {
        float[] values =
        [
            .. text.Split(',')
                .Select(v =>
                    float.TryParse(v, NumberStyles.Float, CultureInfo.InvariantCulture, out float number)
                    && float.IsFinite(number)
                        ? number
                        : float.NaN
                ),
        ];
        return values switch
        {
            [var red, var green, var blue] when values.All(float.IsFinite) => new(red, green, blue),
            [var grey] when float.IsFinite(grey) => new(grey, grey, grey),
            _ => throw new FormatException($"'{text}' must be three numbers, for example 0.5,0.5,0.5, or one for all."),
        };
    }
}

/// <summary>Images to try a network with, with their classes where the source has some.</summary>
internal static class SampleFolder
{
    public static IReadOnlyList<DataItem> Read(string source)
    {
        try
        {
            return DatasetReader.Read(source).Items;
        }
        catch (TransferException)
        {
            // No classes: a folder of images, or a list without labels.
            return DatasetReader.ReadUnlabelled(source).Items;
        }
    }
}

/// <summary>Prints what speaks for a preprocessing.</summary>
internal static class EvidenceTable
{
    public static void Print(Terminal terminal, PreprocessingEvidence evidence, PreprocessingParts? taken)
    {
        terminal.Output.WriteLine(
            evidence.IsClear
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $"Preprocessing: {evidence.Best.Choice.Scale} by the network's {evidence.Method}, clear by "
                        + $"{evidence.Lead:0.00} "
                        + $"over {evidence.Rival!.Choice.Scale} ({evidence.Images} images)."
                )
                : $"Preprocessing: not clear from the network's {evidence.Method} ({evidence.Images} images)."
        );
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumn("preprocessing");
        table.AddColumn(new TableColumn("off by").RightAligned());
        table.AddColumn(new TableColumn("behind in").RightAligned());
        table.AddColumn("");
        foreach (RankedPreprocessing ranked in evidence.Ranking)
            table.AddRow(
                ranked.Choice.Name,
                ranked.Score.ToString("0.00", CultureInfo.InvariantCulture),
                ranked == evidence.Best ? "" : ranked.Behind.ToString("0.0 %", CultureInfo.InvariantCulture),
                taken is not null && ranked.Choice.Is(taken) ? "taken" : ""
            );
        terminal.Output.Write(table);
        if (!evidence.OrderIsClear && evidence.Ranking.Any(r => r.Choice.Order == ChannelOrder.Bgr))
            terminal.Output.WriteLine(
                "The order of the channels cannot be told from this; RGB unless it is stated. For BGR: --channels bgr"
            );
    }
}
