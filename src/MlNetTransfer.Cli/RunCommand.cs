using System.CommandLine;
using System.Globalization;
using MlNetTransfer.Jobs;
using MlNetTransfer.Runs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>run: a training job that is a file.</summary>
internal static class RunCommand
{
    /// <summary>The folder that runs go to.</summary>
    public const string Runs = "runs";

    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var job = new Argument<string>("job")
        {
            Description = "The job file; 'mlnet-transfer new-job FOLDER' makes one.",
        };
        var output = new Option<string?>("--output")
        {
            Description = "Folder of the run. Default: runs/NAME-TIME here.",
            HelpName = "dir",
        };
        var locked = new Option<string?>("--locked")
        {
            Description =
                "The lock.json of an earlier run: end before training where data, versions or options differ from it, "
                + "and fail where the model is not the same byte for byte.",
            HelpName = "lock.json",
        };
        var check = new Option<bool>("--check")
        {
            Description = "Read the job file, say what is wrong, and run nothing.",
        };
        Option<bool> shareFolds =
                new("--share-folds")
                {
                    Description =
                        "Other processes train folds of it too; for a training of the network that is judged by folds.",
                },
            foldsOnly =
                new("--folds-only")
                {
                    Description =
                        "Train folds of a run that another process does with --share-folds, by this file and --output; "
                        + "ends when nothing is left to do.",
                };
        Option<bool> resume = new("--resume")
        {
            Description = "Go on from the checkpoints of an interrupted run of this file in the same --output.",
        };
        Option<bool> noReport = new("--no-report") { Description = "Leave out report.html." },
            json = CommonOptions.Json();
        var command = new Command(
            "run",
            "Run a job file: train, judge the model by its gates, export it where they hold. Exit code 5: a gate does "
                + "not hold."
        )
        {
            job,
            output,
            locked,
            check,
            shareFolds,
            foldsOnly,
            resume,
            noReport,
            json,
        };
        command.Validators.Add(parsed =>
        {
            if (parsed.GetValue(resume) && parsed.GetValue(output) is null)
                parsed.AddError("--resume goes on with an interrupted run: give its folder as --output.");
            if (!parsed.GetValue(foldsOnly))
                return;
            if (parsed.GetValue(output) is null)
                parsed.AddError("--folds-only helps with a run: give its folder as --output.");
            if (((Option[])[locked, check, shareFolds, resume, noReport]).FirstOrDefault(IsGiven) is { } other)
                parsed.AddError($"{other.Name} has no effect with --folds-only. Leave it out.");

            bool IsGiven(Option option) => parsed.GetResult(option) is { Implicit: false };
        });
        command.SetAction(parsed =>
        {
            string file = parsed.GetRequiredValue(job);
            if (parsed.GetValue(check))
                return Check(terminal, file, parsed.GetValue(json));
            var options = new RunOptions
            {
                Job = file,
                Output = parsed.GetValue(output) ?? Path.Combine(Runs, Name(file, DateTimeOffset.UtcNow)),
                Locked = parsed.GetValue(locked),
                SharesFolds = parsed.GetValue(shareFolds),
                Resume = parsed.GetValue(resume),
            };
            if (parsed.GetValue(foldsOnly))
                return Folds(terminal, options, parsed.GetValue(json), cancellation);
            var services = new JobServices { Command = TypedCommand.Of(parsed) };
            RunSummary summary = terminal.Run(new RunJob(options, services), cancellation);
            return Report(terminal, summary, withPage: !parsed.GetValue(noReport), parsed.GetValue(json), cancellation);
        });
        return command;
    }

    private static int Folds(Terminal terminal, RunOptions options, bool json, CancellationToken cancellation)
    {
        int trained = terminal.WithProgress(progress => new RunJob(options).TrainFolds(progress, cancellation));
        if (json)
            terminal.WriteJson(new { trained });
        else
            terminal.WriteText(
                $"{trained} {(trained == 1 ? "training was" : "trainings were")} done here; the run in "
                    + $"{options.Output} has the rest.\n"
            );
        return ExitCode.Done;
    }

    /// <summary>Writes the page of a run, says what came of it, and gives its exit code.</summary>
    public static int Report(
        Terminal terminal,
        RunSummary summary,
        bool withPage,
        bool json,
        CancellationToken cancellation
    )
    {
        string? page = ReportCommand.AfterTraining(terminal, summary.Training, withPage, cancellation);
        if (json)
            terminal.WriteJson(summary);
        else
            Print(terminal.Output, summary, page);
        return !summary.Holds ? ExitCode.GateFailed
            : summary.Training.Rejected.Count > 0 ? ExitCode.SomeRejected
            : ExitCode.Done;
    }

    /// <summary>Name of the folder of a run.</summary>
    public static string Name(string file, DateTimeOffset time) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Path.GetFileNameWithoutExtension(file)}-{time.UtcDateTime:yyyyMMdd-HHmmss}"
        );

    private static int Check(Terminal terminal, string file, bool json)
    {
        JobFile job = new RunJob(new RunOptions { Job = file, Output = Runs }).Check();
        if (json)
            terminal.WriteJson(new { file, valid = true });
        else
            terminal.WriteText(
                $"{file} can be run: {job.Train.Strategy.Name.ToLowerInvariant()} on {job.Train.Folder}.\n"
            );
        return ExitCode.Done;
    }

    private static void Print(IAnsiConsole console, RunSummary summary, string? page)
    {
        GateResult[] failed = [.. summary.Gates.Where(gate => !gate.Holds)];
        console.WriteLine(
            failed.Length > 0
                ? $"The model does not pass {string.Join(", ", failed.Select(gate => gate.Gate))}: nothing is exported."
            : summary.Gates.Count > 0 ? "The model passes."
            : "The model is trained; the job has no gates."
        );
        console.WriteLine(
            FormattableString.Invariant($"Accuracy {100 * summary.Accuracy:0.0} % of ")
                + FormattableString.Invariant($"{summary.Training.TestImages} images (95 %: ")
                + FormattableString.Invariant($"{100 * summary.AccuracyInterval[0]:0.0} to ")
                + FormattableString.Invariant($"{100 * summary.AccuracyInterval[1]:0.0}).")
        );
        foreach (GateResult gate in summary.Gates)
            console.WriteLine($"  {(gate.Holds ? "holds" : "FAILS")}  {gate.Gate}: {gate.Found}");
        foreach (ExportSummary export in summary.Exports)
            console.WriteLine($"Exported {export.Files[0].Path}");
        foreach (string note in summary.Training.Notes)
            console.WriteLine($"Note: {note}");
        EvaluationTables.Rejected(console, summary.Training.Rejected);
        console.WriteLine($"The run is in {summary.Folder}{(page is null ? "" : $"; open {page}")}.");
    }
}

/// <summary>new-job and import-mbconfig: job files to begin with.</summary>
internal static class JobFileCommands
{
    public static Command New(Terminal terminal)
    {
        Argument<string> folder = new("folder") { Description = "The labelled images, as for 'train'." };
        Option<string> output = Output();
        var command = new Command("new-job", "Write a job file for 'run', with the usual options as comments.")
        {
            folder,
            output,
        };
        command.SetAction(parsed =>
        {
            string file = parsed.GetRequiredValue(output);
            JobTemplate.Write(parsed.GetRequiredValue(folder), file);
            terminal.WriteText($"{file} is written. Next: mlnet-transfer run {file}\n");
            return ExitCode.Done;
        });
        return command;
    }

    public static Command Import(Terminal terminal)
    {
        Argument<string> config = new("config") { Description = "A .mbconfig of image classification." };
        Option<string> output = Output();
        Option<string?> folder = new("--folder")
        {
            Description = "Where the images are now, if not where the .mbconfig says.",
            HelpName = "dir",
        };
        var command = new Command("import-mbconfig", "Make a job file of what ML.NET's Model Builder was told.")
        {
            config,
            folder,
            output,
        };
        command.SetAction(parsed =>
        {
            string file = parsed.GetRequiredValue(output);
            IReadOnlyList<string> notes = ModelBuilderConfig.Import(
                parsed.GetRequiredValue(config),
                file,
                parsed.GetValue(folder)
            );
            foreach (string note in notes)
                terminal.WriteText(note + "\n");
            terminal.WriteText($"{file} is written. Next: mlnet-transfer run {file}\n");
            return ExitCode.Done;
        });
        return command;
    }

    private static Option<string> Output() =>
        new("--output")
        {
            Description = $"The job file; {JobSchema.FileName}, for editors, is written beside it.",
            HelpName = "file",
            DefaultValueFactory = _ => JobTemplate.FileName,
        };
}
