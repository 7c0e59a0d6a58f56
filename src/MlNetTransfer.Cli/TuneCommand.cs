using System.CommandLine;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>tune: a search for the best recipe of a training of the network.</summary>
internal static class TuneCommand
{
    private const int Shown = 10;

    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var tune = new TuneFlags();
        Option resume = tune.Recipe.Train.Switch(
            "--resume",
            "Go on with an interrupted search of the same images and options in the same output folder.",
            o => o with { Resume = true }
        );
        Option<bool> json = CommonOptions.Json();
        var command = new GroupedCommand(
            "tune",
            "Search learning rate, freezing, augmentation and regularisation of a training by successive halving, on "
                + "the training part alone. What is given stays as it is.",
            (
                "Basics",
                [
                    tune.Output,
                    .. tune.Recipe.Basics,
                    tune.Trials,
                    tune.All.Written(
                        "--time-budget",
                        "Begin no further trial after this time; the result then depends on the machine's speed.",
                        "90s|10m|2h",
                        FlagText.Time,
                        (o, budget) => o with { TimeBudget = budget }
                    ),
                    tune.Epochs,
                    resume,
                    tune.All.Switch(
                        "--together",
                        "Search with other processes, on any machine that has the output folder, which are started by "
                            + "the same command: each tries what no other has begun.",
                        o => o with { Together = true }
                    ),
                    json,
                ]
            ),
            ("Advanced", tune.Recipe.Advanced)
        )
        {
            tune.Recipe.Folder,
        };
        command.SetAction(parsed =>
        {
            TuneSearchSummary found = terminal.Run(new TuneJob(tune.All.Read(parsed)), cancellation);
            if (parsed.GetValue(json))
                terminal.WriteJson(found);
            else
                Print(terminal.Output, found);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, TuneSearchSummary found)
    {
        TunedTrial best = found.Trials.First(trial => trial.Trial == found.Best);
        string next = TypedCommand.Train(found.Train.Folder, found.Train.Dataset);
        console.WriteLine(Verdict(found));
        console.WriteLine(
            $"Next, with the other options that you gave: {next} "
                + $"--backbone {found.Train.Backbone} --strategy {FlagText.Of(found.Train.Strategy)} {best.Options}"
        );
        var table = new Table { Border = TableBorder.Simple };
        foreach (string column in (string[])["trial", "epochs", "log-loss", "accuracy", "seconds"])
            table.AddColumn(new TableColumn(column).RightAligned());
        table.AddColumn("recipe");
        foreach (TunedTrial trial in found.Trials.Take(Shown))
            table.AddRow(
                new Text(trial.Trial == 0 ? "defaults" : FormattableString.Invariant($"{trial.Trial}")),
                new Text(FormattableString.Invariant($"{trial.Epochs}")),
                new Text(FormattableString.Invariant($"{trial.LogLoss:f3}")),
                new Text(EvaluationTables.Percent(trial.Accuracy)),
                new Text(FormattableString.Invariant($"{trial.Seconds:f0}")),
                new Text(trial.Options)
            );
        console.Write(table);
        if (found.Trials.Count > Shown)
            console.WriteLine($"The first {Shown} of {found.Trials.Count}; --json and trials.jsonl have all.");
        console.WriteLine(
            FormattableString.Invariant($"{found.Trials.Count} trainings, {found.Seconds:f0} s. The images that judge ")
                + "chose, so the figures of the best are rather too good; train judges it on others."
        );
    }

    private static string Verdict(TuneSearchSummary found)
    {
        string beside =
            $"{EvaluationTables.Percent(found.Accuracy)} beside {EvaluationTables.Percent(found.HeadAccuracy)} of a "
            + $"head on frozen features ({EvaluationTables.Points(found.Gain)} points, 95 %: "
            + $"{EvaluationTables.Points(found.GainInterval)}, {found.Images} images held out of the training part)";
        return found.GainInterval[0] > 0 ? $"The best recipe is better than the head alone: {beside}."
            : found.GainInterval[1] < 0 ? $"No recipe is as good as the head alone: {beside}. Take --strategy head."
            : $"These images do not tell the best recipe from the head alone: {beside}. --strategy head costs seconds.";
    }
}
