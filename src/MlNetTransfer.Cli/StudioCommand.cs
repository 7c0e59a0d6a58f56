using System.CommandLine;
using MlNetTransfer.Studio;

namespace MlNetTransfer.Cli;

/// <summary>studio: from images to a model in a browser, on this machine.</summary>
internal static class StudioCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<StudioOptions>(new StudioOptions { Roots = ["."], Output = "runs" });
        var command = new Command(
            "studio",
            "Open a page on this machine that goes from a folder of images to a model: look at the images and mend "
                + "labels, train, read the report, try the model. It prints an address that is good once, for the "
                + "browser that opens it; nobody else is answered. Ctrl-C ends it."
        )
        {
            flags.Files(
                "folder",
                "Folders whose images it may show and train on, with all below them. Default: the current one.",
                (o, folders) => folders.Count == 0 ? o : o with { Roots = folders },
                least: 0
            ),
            flags.Text(
                "--output",
                "Folder of the runs; each has a folder of its own there, as 'train' writes it.",
                "dir",
                (o, folder) => o with { Output = folder },
                o => o.Output
            ),
            flags.Number<int>(
                "--port",
                "Port on 127.0.0.1; 0 for any that is free.",
                "0..65535",
                (o, port) => o with { Port = Check.InRange(port, 0, 65535) },
                o => o.Port
            ),
        };
        command.SetAction(parsed =>
        {
            Run(flags.Read(parsed), terminal, cancellation).GetAwaiter().GetResult();
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task Run(StudioOptions options, Terminal terminal, CancellationToken cancellation)
    {
        using UntilTold ends = new(cancellation);
        await using var studio = new StudioServer(options, new LineLogs(terminal.WriteError));
        await studio.StartAsync(ends.Token).ConfigureAwait(false);
        terminal.WriteError($"Open {studio.Address}");
        terminal.WriteError(
            "The address is good once. Runs go to " + Path.GetFullPath(options.Output) + "; Ctrl-C ends."
        );
        await ends.WaitAsync().ConfigureAwait(false);
        terminal.WriteError("Ending: what is in work is cancelled; what is written stays.");
        await studio.StopAsync().ConfigureAwait(false);
    }
}
