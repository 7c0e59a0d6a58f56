using System.CommandLine;
using System.Globalization;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx.Quantization;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>models quantize: a backbone that runs on bytes, as one of the user's.</summary>
internal static class ModelsQuantizeCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<QuantizeOptions>(
            new QuantizeOptions
            {
                Backbone = "x",
                Images = ["-"],
                Id = "x",
            }
        );
        Argument backbone = flags.Argument("id", "Id of a backbone in float.", (o, id) => o with { Backbone = id });
        Argument images = flags.Argument(
            "images",
            "Images like those to train on: a folder, a list, a .zip. Labels are not looked at.",
            (o, path) => o with { Images = [path] }
        );
        Option own = flags.Text("--id", "Id for the new backbone.", "id", (o, id) => o with { Id = id });
        own.Required = true;
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "quantize",
            "Make a backbone that runs on bytes (int8): features in about half the time on a CPU, a quarter of the "
                + "size. Heads are trained on its features; the network itself can be trained in float only."
        )
        {
            backbone,
            images,
            own,
            flags.Number<int>(
                "--calibration-images",
                "Images that the ranges of values are taken from.",
                "n",
                (o, count) => o with { CalibrationImages = count },
                o => o.CalibrationImages
            ),
            flags.Choice<CalibrationMethod>(
                "--calibration",
                "How the range of a tensor is chosen from its values.",
                (o, method) => o with { Calibration = o.Calibration with { Method = method } },
                o => o.Calibration.Method
            ),
            flags.Choice<WeightBits>(
                "--weight-bits",
                "Seven halves the precision of the weights, and no CPU clips their sums; eight can be clipped by x64 "
                    + "CPUs without VNNI instructions.",
                (o, bits) => o with { WeightBits = bits },
                o => o.WeightBits
            ),
            flags.Number<int>("--seed", "Draws the images.", "n", (o, seed) => o with { Seed = seed }, o => o.Seed),
            flags.TextColumn((o, name) => o with { TextColumn = name }),
            flags.MaxMegapixels(),
            flags.Workers(),
            json,
        };
        command.SetAction(parsed =>
        {
            QuantizeSummary summary = terminal.Run(new QuantizeJob(flags.Read(parsed)), cancellation);
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                Print(terminal.Output, summary);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, QuantizeSummary summary)
    {
        string Said(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
        string size = Said($"{summary.Int8Bytes / 1e6:f1} MB instead of {summary.FloatBytes / 1e6:f1} MB");
        console.WriteLine(
            summary.Speed is { } speed
                ? Said($"{summary.Card.Id} gives features {speed.Ratio:f2} times as fast as {summary.Source} here ")
                    + Said($"({speed.LeastRatio:f2} to {speed.MostRatio:f2} in {speed.Rounds} rounds, one worker, no ")
                    + $"decoding); {size}."
                : $"{summary.Card.Id}: {size}."
        );
        var table = new Table
        {
            Border = TableBorder.Simple,
            Title = new TableTitle(
                Said($"How far its features differ, on {summary.JudgedImages} images that no range was taken from")
            ),
        };
        table
            .AddColumn("tap")
            .AddColumn(new TableColumn("median").RightAligned())
            .AddColumn(new TableColumn("largest").RightAligned());
        foreach (var tap in summary.Taps)
            table.AddRow(
                new Text(tap.Tap),
                new Text(Said($"{100 * tap.Error:f1} %")),
                new Text(Said($"{100 * tap.LargestError:f1} %"))
            );
        console.Write(table);
        EvaluationTables.Rejected(console, summary.Rejected);
        console.WriteLine(
            "Next, what that costs in accuracy on labelled images: mlnet-transfer models compare FOLDER --backbones "
                + $"{summary.Source},{summary.Card.Id}"
        );
    }
}
