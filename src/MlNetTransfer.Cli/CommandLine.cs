using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using MlNetTransfer.Scoring;
using MlNetTransfer.Scoring.S3;

namespace MlNetTransfer.Cli;

/// <summary>
/// The command line: parses, calls one command, turns what goes wrong into a message and an exit code.
/// </summary>
internal static class CommandLine
{
    /// <summary>An argument that begins with @ is a file name, not a file with further arguments.</summary>
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    /// <summary>Runs one command line.</summary>
    /// <param name="args">The arguments, without the program's name.</param>
    /// <param name="output">Standard output.</param>
    /// <param name="error">Standard error.</param>
    /// <param name="cancellation">Cancelled by Ctrl-C.</param>
    /// <returns>See <see cref="ExitCode"/>.</returns>
    public static int Run(string[] args, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        var terminal = new Terminal(output, error);
        S3Storage.Register();
        DatabaseModels.Register();
        ParseResult parsed = Root(terminal, cancellation).Parse(args, Parsing);
        if (Suggestions.Problems(parsed) is { Count: > 0 } problems)
            return Usage(problems);
        try
        {
            return parsed.Invoke(
                new InvocationConfiguration
                {
                    Output = output,
                    Error = error,
                    EnableDefaultExceptionHandler = false,
                    ProcessTerminationTimeout = null,
                }
            );
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            const string message = "Cancelled. Files that were already there are as they were.";
            terminal.WriteError(message);
            return Failed(new Failure("cancelled", message, null), ExitCode.Cancelled);
        }
        catch (UsageException e)
        {
            return Usage([e.Message]);
        }
        catch (Exception e) when (e is TransferException or Onnx.GraphException)
        {
            terminal.WriteError($"error: {e.Message}");
            return Failed(Failure.Of(e), ExitCode.Failed);
        }
        catch (Exception e)
        {
            string message = $"unexpected {e.GetType().Name}: {e.Message}";
            terminal.WriteError($"error: {message}");
            terminal.WriteError(e.StackTrace ?? "");
            return Failed(new Failure("unexpected", message, null), ExitCode.Failed);
        }

        int Usage(IReadOnlyList<string> problems)
        {
            string help = $"Try 'mlnet-transfer {CommandPath(parsed)}--help'.";
            foreach (string problem in problems)
                terminal.WriteError($"error: {problem}");
            terminal.WriteError(help);
            return Failed(new Failure("usage", string.Join(" ", problems), help), ExitCode.Usage);
        }

        int Failed(Failure failure, int code)
        {
            if (args.Contains("--json"))
                terminal.WriteJson(new { error = failure });
            return code;
        }
    }

    private static RootCommand Root(Terminal terminal, CancellationToken cancellation)
    {
        var root = new RootCommand(
            "Transfer learning for .NET: turns a folder of images into a classifier on a pretrained ONNX backbone."
        )
        {
            TrainCommand.Create(terminal, cancellation),
            StudioCommand.Create(terminal, cancellation),
            RunCommand.Create(terminal, cancellation),
            ScheduleCommand.Create(terminal, cancellation),
            JobFileCommands.New(terminal),
            JobFileCommands.Import(terminal),
            EvaluateCommand.Create(terminal, cancellation),
            CompareCommand.Create(terminal, cancellation),
            CheckCommand.Create(terminal, cancellation),
            AdviseCommand.Create(terminal, cancellation),
            DistanceCommand.Create(terminal, cancellation),
            AdaptCommand.Create(terminal, cancellation),
            ZeroShotCommand.Create(terminal, cancellation),
            LearningRateCommand.Create(terminal, cancellation),
            TuneCommand.Create(terminal, cancellation),
            PredictCommand.Create(terminal, cancellation),
            ScoreCommand.Create(terminal, cancellation),
            ServeCommand.Create(terminal, cancellation),
            SubmitCommand.Create(terminal),
            JobsCommand.Create(terminal, cancellation),
            WorkerCommand.Create(terminal, cancellation),
            ClassifyCommand.Create(terminal, cancellation),
            ExplainCommand.Create(terminal, cancellation),
            ReportCommand.Create(terminal, cancellation),
            ExportCommand.Create(terminal, cancellation),
            GenerateCommand.Create(terminal),
            ImportCommand.Create(terminal, cancellation),
            InspectCommand.Create(terminal, cancellation),
            ModelsCommand.Create(terminal, cancellation),
            RegistryCommand.Create(terminal, cancellation),
            CacheCommand.Create(terminal),
            DoctorCommand.Create(terminal, cancellation),
        };
        root.Options.OfType<HelpOption>().Single().Action = new HelpPage(terminal);
        return root;
    }

    /// <summary>"models add ": the command that was meant, as it is typed.</summary>
    private static string CommandPath(ParseResult parsed)
    {
        string path = "";
        for (
            CommandResult? command = parsed.CommandResult;
            command?.Parent is not null;
            command = command.Parent as CommandResult
        )
            path = $"{command.Command.Name} {path}";
        return path;
    }
}
