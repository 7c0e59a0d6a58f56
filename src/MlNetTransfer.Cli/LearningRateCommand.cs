using System.CommandLine;
using MlNetTransfer.Jobs;
using MlNetTransfer.Reports;
using MlNetTransfer.Training;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>lr-find: which learning rate suits a training of the network.</summary>
internal static class LearningRateCommand
{
    private const int Shown = 12;

    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var recipe = new RecipeFlags(
            [.. TrainingStrategy.All.Where(strategy => strategy.Network is not null)],
            "a test part is not looked at."
        );
        var flags = new Flags<LearningRateOptions>(
            new LearningRateOptions
            {
                Train = new TrainOptions { Folder = "-", Output = "out" },
            }
        );
        flags.Part(recipe.Train, (o, train) => o with { Train = train });
        var output = new Option<string?>("--output")
        {
            Description = "Draw the test into this file, an .svg.",
            HelpName = "file",
        };
        Option<bool> json = CommonOptions.Json();
        var command = new GroupedCommand(
            "lr-find",
            "Find a learning rate: raise it step by step, and see where the loss falls fastest. Nothing is trained "
                + "that stays.",
            (
                "Basics",
                [
                    output,
                    .. recipe.Basics,
                    flags.Number<int>(
                        "--steps",
                        "Steps of the test.",
                        "n",
                        (o, steps) => o with { Steps = steps },
                        o => o.Steps
                    ),
                    flags.Number<double>(
                        "--from",
                        "Learning rate of the first step.",
                        "rate",
                        (o, rate) => o with { Lowest = rate },
                        o => o.Lowest
                    ),
                    flags.Number<double>(
                        "--to",
                        "Learning rate of the last step.",
                        "rate",
                        (o, rate) => o with { Highest = rate },
                        o => o.Highest
                    ),
                    json,
                ]
            ),
            ("Advanced", recipe.Advanced)
        )
        {
            recipe.Folder,
        };
        command.SetAction(parsed =>
        {
            string? picture = parsed.GetValue(output);
            if (picture is not null && Path.GetExtension(picture).ToLowerInvariant() is not ".svg")
                throw new UsageException($"--output is '{picture}'; its name must end in .svg.");
            LearningRateSummary found = terminal.Run(new LearningRateJob(flags.Read(parsed)), cancellation);
            if (picture is not null)
                LearningRateChart.Write(picture, found);
            if (parsed.GetValue(json))
                terminal.WriteJson(found);
            else
                Print(terminal.Output, found, picture);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, LearningRateSummary found, string? picture)
    {
        console.WriteLine(
            found.Suggested is { } rate
                ? FormattableString.Invariant($"Take --lr {rate:g2}: there the loss falls fastest. ")
                    + FormattableString.Invariant($"It is lowest at {found.Lowest:g2}; higher rates spoil the network.")
                : "The loss falls at no rate that was tried: take --strategy head, or try from lower rates (--from)."
        );
        var table = new Table { Border = TableBorder.Simple };
        foreach (string column in (string[])["learning rate", "loss", "change", "smoothed"])
            table.AddColumn(new TableColumn(column).RightAligned());
        int count = Math.Min(Shown, found.Points.Count);
        for (int i = 0; i < count; i++)
        {
            RatePoint point = found.Points[i * (found.Points.Count - 1) / Math.Max(1, count - 1)];
            table.AddRow(
                new Text(FormattableString.Invariant($"{point.Rate:g2}")),
                new Text(FormattableString.Invariant($"{point.Loss:f3}")),
                new Text(FormattableString.Invariant($"{point.Change:+0.000;-0.000;0.000}")),
                new Text(FormattableString.Invariant($"{point.Smoothed:+0.000;-0.000;0.000}"))
            );
        }

        console.Write(table);
        console.WriteLine(
            "Change: the loss less that of the same images at the start. "
                + FormattableString.Invariant($"{found.Points.Count} steps on {found.Images} images, ")
                + FormattableString.Invariant($"{found.Seconds:f0} s")
                + (picture is null ? "." : $"; drawn into {picture}.")
        );
    }
}
