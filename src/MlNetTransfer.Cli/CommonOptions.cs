using System.CommandLine;
using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Cli;

/// <summary>Options that several commands have.</summary>
internal static class CommonOptions
{
    public static Option<bool> Json() =>
        new("--json") { Description = "Print one JSON object on standard output, everything else on standard error." };

    public static Option<int> Workers() =>
        Numbers.Within(
            new Option<int>("--workers")
            {
                Description = "Images worked on at the same time; no result depends on it. One per core by default.",
                DefaultValueFactory = _ => Environment.ProcessorCount,
                HelpName = "n",
            },
            1,
            1024
        );

    public static Option<ExecutionProvider> Device() =>
        Numbers.OneOf(
            new Option<ExecutionProvider>("--device")
            {
                Description =
                    "What runs the network. A GPU must give the CPU's numbers on some of the images before it is "
                    + "used; see 'mlnet-transfer doctor'.",
                DefaultValueFactory = _ => ExecutionProvider.Cpu,
            }
        );

    public static Argument<string> Model() =>
        new("model") { Description = "A model.onnx written by 'mlnet-transfer train'." };

    public static Option<string> PathColumn() =>
        Column(
            "--path-column",
            "Column of a list that has the paths. Default: path, ImagePath, ImageSource, image, file or filename."
        );

    public static Option<string> LabelColumn() =>
        Column("--label-column", "Column of a list that has the labels. Default: label or class.");

    private static Option<string> Column(string name, string description)
    {
        var option = new Option<string>(name) { Description = description, HelpName = "name" };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var value }] && string.IsNullOrWhiteSpace(value))
                result.AddError($"{name} is empty; expected the name of a column.");
        });
        return option;
    }

    public static Option<int?> MaxMegapixels() =>
        Numbers.Within(
            new Option<int?>("--max-megapixels")
            {
                Description =
                    "Largest image in millions of pixels; a larger one is rejected before it is decoded. Forms that "
                    + "must be "
                    + "decoded whole, such as interlaced PNG, have half of the default. [default: 100]",
                HelpName = "n",
            },
            1,
            1073
        );

    /// <summary>What an image may cost, given that option.</summary>
    public static ImageLimits Limits(int? megapixels) =>
        megapixels is { } millions
            ? new ImageLimits { MaxPixels = millions * 1_000_000, MaxWholeFramePixels = millions * 1_000_000 }
            : new ImageLimits();
}
