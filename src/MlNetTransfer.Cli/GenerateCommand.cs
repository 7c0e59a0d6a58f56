using System.CommandLine;
using MlNetTransfer.Runs;

namespace MlNetTransfer.Cli;

/// <summary>generate: a project that uses a model.</summary>
internal static class GenerateCommand
{
    public static Command Create(Terminal terminal)
    {
        var command = new Command("generate", "Make a project that uses a trained model; it builds and runs as it is.");
        foreach (
            (string name, ProjectKind kind, string what) in new[]
            {
                ("console", ProjectKind.Console, "A program that classifies image files and trains the model again."),
                ("webapi", ProjectKind.WebApi, "A web service with the model behind /predict, and a sample request."),
                (
                    "consumption",
                    ProjectKind.Consumption,
                    "A class library with the code that calls the model, for a solution that there is already."
                ),
            }
        )
            command.Add(Kind(terminal, name, kind, what));
        return command;
    }

    private static Command Kind(Terminal terminal, string name, ProjectKind kind, string what)
    {
        var flags = new Flags<ProjectOptions>(
            new ProjectOptions
            {
                Model = "-",
                Output = "-",
                Kind = kind,
            }
        );
        Option output = flags.Text(
            "--output",
            "Folder of the project, new or empty.",
            "dir",
            (o, folder) => o with { Output = folder }
        );
        output.Required = true;
        Option<bool> json = CommonOptions.Json();
        var command = new Command(name, what)
        {
            flags.Model((o, model) => o with { Model = model }),
            output,
            flags.Text(
                "--name",
                "Name of project and namespace. Default: that of the folder.",
                "name",
                (o, given) => o with { Name = given }
            ),
            flags.Text(
                "--package-version",
                "Version of the packages that the project refers to. Default: that of this tool.",
                "version",
                (o, version) => o with { PackageVersion = version }
            ),
            json,
        };
        command.SetAction(parsed =>
        {
            ProjectOptions options = flags.Read(parsed);
            IReadOnlyList<string> files = GeneratedProject.Write(options);
            if (parsed.GetValue(json))
                terminal.WriteJson(new { files });
            else
                terminal.WriteText(
                    $"{options.Output} has {files.Count} files. Next: cd {options.Output} && dotnet build -c Release\n"
                );
            return ExitCode.Done;
        });
        return command;
    }
}
