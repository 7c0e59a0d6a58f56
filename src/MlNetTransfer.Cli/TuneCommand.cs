using System.CommandLine;
using MlNetTransfer.Jobs;
using MlNetTransfer.Training;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>tune: a search for the best recipe of a training of the network.</summary>
internal static class TuneCommand
{
    private const int Shown = 10;

    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var recipe = new RecipeFlags(
            [.. TrainingStrategy.All.Where(strategy => strategy.Network is not null)],
            "a test part is never looked at."
        );
        var flags = new Flags<TuneOptions>(
            new TuneOptions
            {
                Train = new TrainOptions { Folder = "-", Output = "out" },
            }
        );
        flags.Part(recipe.Train, (o, train) => o with { Train = train });
        Option output = recipe.Train.Text(
                "--output",
                "Folder for trials.jsonl, a line for every trial.",
                "dir",
                (o, folder) => o with { Output = folder },
                o => o.Output
            ),
            resume = recipe.Train.Switch(
                "--resume",
                "Go on with an interrupted search of the same images and options in the same output folder.",
                o => o with { Resume = true }
            ),
            epochs = recipe.Train.Number<int>(
                "--epochs",
                "Epochs of a whole training, which the best third of the best third get.",
                "n",
                (o, count) => o with { FineTune = o.FineTune with { Epochs = count } }
            );
        Option<bool> json = CommonOptions.Json();
        var command = new GroupedCommand(
            "tune",
            "Search learning rate, freezing, augmentation and regularisation of a training by successive halving, on "
                + "the training part alone. What is given stays as it is.",
            (
                "Basics",
                [
                    output,
                    .. recipe.Basics,
                    flags.Number<int>(
                        "--trials",
                        "Recipes to try, the defaults among them.",
                        "n",
                        (o, trials) => o with { Trials = trials },
                        o => o.Trials
                    ),
                    flags.Written(
                        "--time-budget",
                        "Begin no further trial after this time; the result then depends on the machine's speed.",
                        "90s|10m|2h",
                        FlagText.Time,
                        (o, budget) => o with { TimeBudget = budget }
                    ),
                    epochs,
                    resume,
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
            TuneSearchSummary found = terminal.Run(new TuneJob(flags.Read(parsed)), cancellation);
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
