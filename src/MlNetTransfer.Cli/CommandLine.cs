using System.CommandLine;

namespace MlNetTransfer.Cli;

/// <summary>The command line: parses, calls one command, turns what goes wrong into a message and an exit code.</summary>
internal static class CommandLine
{
    /// <summary>Runs one command line.</summary>
    /// <param name="args">The arguments, without the program's name.</param>
    /// <param name="output">Standard output.</param>
    /// <param name="error">Standard error.</param>
    /// <param name="cancellation">Cancelled by Ctrl-C.</param>
    /// <returns>See <see cref="ExitCode"/>.</returns>
    public static int Run(string[] args, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        var terminal = new Terminal(output, error);
        ParseResult parsed = Root(terminal, cancellation).Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var wrong in parsed.Errors) terminal.WriteError($"error: {wrong.Message}");
            terminal.WriteError($"Try 'mlnet-transfer {string.Join(' ', CommandPath(parsed))}--help'.");
            return ExitCode.Usage;
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            terminal.WriteError("Cancelled. Files that were already there are as they were.");
            return ExitCode.Cancelled;
        }
        catch (Exception e) when (e is TransferException or Onnx.GraphException)
        {
            terminal.WriteError($"error: {e.Message}");
            return ExitCode.Failed;
        }
        catch (Exception e)
        {
            terminal.WriteError($"error: unexpected {e.GetType().Name}: {e.Message}");
            terminal.WriteError(e.StackTrace ?? "");
            return ExitCode.Failed;
        }
    }

    private static RootCommand Root(Terminal terminal, CancellationToken cancellation) =>
        new("Transfer learning for .NET: turns a folder of images into a classifier on a pretrained ONNX backbone.")
        {
            TrainCommand.Create(terminal, cancellation),
            EvaluateCommand.Create(terminal, cancellation),
            PredictCommand.Create(terminal, cancellation),
            ClassifyCommand.Create(terminal, cancellation),
            ExportCommand.Create(terminal, cancellation),
            ImportCommand.Create(terminal),
            InspectCommand.Create(terminal),
            ModelsCommand.Create(terminal, cancellation),
            DoctorCommand.Create(terminal),
        };

    private static IEnumerable<string> CommandPath(ParseResult parsed)
    {
        for (var command = parsed.CommandResult; command?.Parent is not null; command = command.Parent as System.CommandLine.Parsing.CommandResult)
            yield return command.Command.Name + " ";
    }
}
