using System.CommandLine;
using System.Globalization;
using System.Text;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Cli;

/// <summary>models add: makes a backbone of an ONNX model of the user's.</summary>
internal static class ModelsAddCommand
{
    private static readonly Dictionary<string, (ChannelValues Mean, ChannelValues Std)> Presets = new(
        StringComparer.Ordinal
    )
    {
        ["imagenet"] = (new(0.485f, 0.456f, 0.406f), new(0.229f, 0.224f, 0.225f)),
        ["unit"] = (new(0, 0, 0), new(1, 1, 1)),
        ["minus1to1"] = (new(0.5f, 0.5f, 0.5f), new(0.5f, 0.5f, 0.5f)),
    };

    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var source = new Argument<string>("model")
        {
            Description = "An .onnx file, or an http or https address (then --sha256 is needed).",
        };
        var id = new Option<string>("--id")
        {
            Description = "Id for the new backbone: lower-case letters, digits, '_', '-' and '.'.",
            Required = true,
            HelpName = "id",
        };
        var name = new Option<string>("--name")
        {
            Description = "Name for people. Default: the id.",
            HelpName = "text",
        };
        var sha256 = new Option<string>("--sha256")
        {
            Description = "SHA-256 that the file must have.",
            HelpName = "hex",
        };
        var inspection = new Flags<OnnxInspectionOptions>(new OnnxInspectionOptions());
        Option size = inspection.Number<int>(
            "--input-size",
            "Side of the square input, where the file leaves it open.",
            "pixels",
            (o, pixels) => o with { InputSize = pixels }
        );
        var preset = new Option<string>("--preprocessing")
        {
            Description =
                "How pixels become numbers: imagenet (mean and standard deviation of ImageNet), unit (0 to 1) or "
                + "minus1to1.",
            HelpName = string.Join('|', Presets.Keys),
        }.AcceptOnlyFromAmong([.. Presets.Keys]);
        Option<ChannelValues?> mean = Channels("--mean", "Mean per channel on the scale 0 to 1."),
            std = Channels("--std", "Standard deviation per channel on the scale 0 to 1.");
        Option framing = inspection.Choice<Framing>(
            "--framing",
            "How an image fills the square.",
            (o, kind) => o with { Framing = kind }
        );
        Option interpolation = inspection.Choice<Interpolation>(
            "--interpolation",
            "The resampling filter.",
            (o, filter) => o with { Interpolation = filter }
        );
        var labels = new Option<string>("--labels")
        {
            Description = "Text file with one class per line, in the order of the output.",
            HelpName = "file",
        };
        var output = new Option<string>("--output")
        {
            Description = "The output with the scores, where a file has several.",
            HelpName = "name",
        };
        var tap = new Option<string>("--default-tap")
        {
            Description = "Tap taken where none is chosen. Default: the last, what the classifier takes.",
            HelpName = "name",
        };
        var license = new Option<string>("--license")
        {
            Description = "Licence of the weights.",
            DefaultValueFactory = _ => "unknown",
            HelpName = "text",
        };
        var text = new TextFlags();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("add", "Make a backbone of your own ONNX model.")
        {
            source,
            id,
            name,
            sha256,
            size,
            preset,
            mean,
            std,
            framing,
            interpolation,
            labels,
            output,
            tap,
            license,
            json,
        };
        text.AddTo(command, [size, preset, mean, std, framing, interpolation, labels]);
        command.Validators.Add(result =>
        {
            if (
                result.GetResult(preset) is not null
                && (result.GetResult(mean) is not null || result.GetResult(std) is not null)
            )
                result.AddError("--preprocessing and --mean or --std say the same thing; give one of them.");
            else if ((result.GetResult(mean) is null) != (result.GetResult(std) is null))
                result.AddError("--mean and --std go together; give both.");
        });
        command.SetAction(parsed =>
        {
            (ChannelValues Mean, ChannelValues Std)? known = parsed.GetValue(preset) is { } chosen
                ? Presets[chosen]
                : null;
            NewBackbone backbone = Checked(() =>
                new NewBackbone
                {
                    Source = parsed.GetRequiredValue(source),
                    Id = parsed.GetRequiredValue(id),
                    Name = parsed.GetValue(name),
                    Sha256 = parsed.GetValue(sha256),
                    Labels = parsed.GetValue(labels) is { } file ? LabelsFile.Read(file) : null,
                    DefaultTap = parsed.GetValue(tap),
                    License = parsed.GetRequiredValue(license),
                    Text = text.Read(parsed, parsed.GetValue(output)),
                    Inspection = inspection.Read(parsed) with
                    {
                        Mean = known?.Mean ?? parsed.GetValue(mean),
                        Std = known?.Std ?? parsed.GetValue(std),
                        Output = parsed.GetValue(output),
                    },
                }
            );
            BackboneCard card = terminal.WithProgress(progress =>
                new UserCatalog().Add(backbone, progress, cancellation)
            );
            if (parsed.GetValue(json))
                terminal.WriteJson(card);
            else
                ModelsCommand.Print(terminal.Output, card);
            return ExitCode.Done;
        });
        return command;
    }

    private static Option<ChannelValues?> Channels(string name, string description) =>
        new(name)
        {
            Description = description,
            HelpName = "r,g,b",
            CustomParser = result =>
            {
                string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
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
                if (values is [var red, var green, var blue] && values.All(float.IsFinite))
                    return new ChannelValues(red, green, blue);
                result.AddError($"{name} is '{text}'; it must be three numbers, for example 0.5,0.5,0.5.");
                return null;
            },
        };

    /// <summary>
    /// Options check themselves; what they refuse came from the command line, so it is the user's to mend.
    /// </summary>
    private static T Checked<T>(Func<T> make)
    {
        try
        {
            return make();
        }
        catch (ArgumentException cause)
        {
            throw new TransferException(cause.Message, cause);
        }
    }
}

/// <summary>A text file with one class per line.</summary>
internal static class LabelsFile
{
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
