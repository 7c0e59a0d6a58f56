using System.CommandLine;
using System.Globalization;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>registry: models by name and stage.</summary>
internal static class RegistryCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation) =>
        new(
            "registry",
            "Models by name and stage: other commands take registry:NAME@production in place of a file, and a service "
                + "follows it."
        )
        {
            Add(terminal),
            List(terminal),
            Promote(terminal, cancellation),
            RollBack(terminal),
        };

    private static Command Add(Terminal terminal)
    {
        Argument<string> name = Name(),
            model = new("model") { Description = "A model.onnx written by 'mlnet-transfer train' or 'run'." };
        Option<string> stage = Stage("--stage", "The stage that it gets.", ModelRegistry.Candidate);
        Option<string?> reason = Reason();
        var command = new Command("add", "Add a model file as a new version of a model.")
        {
            name,
            model,
            stage,
            reason,
        };
        command.SetAction(parsed =>
        {
            string version = new ModelRegistry().Add(
                parsed.GetRequiredValue(name),
                parsed.GetRequiredValue(model),
                parsed.GetRequiredValue(stage),
                parsed.GetValue(reason)
            );
            return Said(terminal, parsed.GetRequiredValue(name), parsed.GetRequiredValue(stage), version);
        });
        return command;
    }

    private static Command List(Terminal terminal)
    {
        Option<bool> json = CommonOptions.Json();
        var command = new Command("list", "List the models, their stages, and what was done last.") { json };
        command.SetAction(parsed =>
        {
            var registry = new ModelRegistry();
            IReadOnlyList<RegisteredModel> models = registry.List();
            if (parsed.GetValue(json))
                terminal.WriteJson(models);
            else if (models.Count == 0)
                terminal.WriteText($"The registry {registry.Name} is empty.\n");
            else
                Print(terminal.Output, models);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, IReadOnlyList<RegisteredModel> models)
    {
        var table = new Table { Border = TableBorder.Simple };
        foreach (string column in (string[])["model", "stage", "version", "since", "", "reason"])
            table.AddColumn(column);
        foreach (RegisteredModel model in models)
        foreach ((string stage, string version) in model.Stages.OrderBy(s => s.Key, StringComparer.Ordinal))
        {
            RegistryEntry last = model.Entries.Last(entry => entry.Stage == stage);
            table.AddRow(
                new Text(model.Name),
                new Text(stage),
                new Text(version[..12]),
                new Text(last.Time.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)),
                new Text(last.Action),
                new Text(last.Reason ?? "")
            );
        }

        console.Write(table);
    }

    private static Command Promote(Terminal terminal, CancellationToken cancellation)
    {
        Argument<string> name = Name();
        Option<string> from = Stage(
                "--from",
                "What is promoted: a stage, or digits of a version.",
                ModelRegistry.Candidate
            ),
            to = Stage("--to", "The stage that is to have it.", ModelRegistry.Production);
        Option<string?> images =
                new("--images")
                {
                    Description =
                        "Labelled images to judge by: promote only where the model in the stage is not better.",
                    HelpName = "folder|list|zip",
                },
            reason = Reason();
        var command = new Command("promote", "Give a stage another version, where it passes.")
        {
            name,
            from,
            to,
            images,
            reason,
        };
        command.SetAction(parsed =>
        {
            var registry = new ModelRegistry();
            string model = parsed.GetRequiredValue(name),
                stage = parsed.GetRequiredValue(to),
                source = parsed.GetRequiredValue(from);
            string? why = parsed.GetValue(reason);
            if (parsed.GetValue(images) is not null && !registry.Find(model).Stages.ContainsKey(stage))
                terminal.WriteText($"{model}@{stage} has no model yet, so there is none to judge beside.\n");
            else if (parsed.GetValue(images) is { } judged)
            {
                ModelsComparison found = terminal.Run(
                    new CompareModelsJob(
                        new CompareModelsOptions
                        {
                            First = registry.Resolve($"{model}@{stage}"),
                            Second = registry.Resolve($"{model}@{source}"),
                            Folder = judged,
                        }
                    ),
                    cancellation
                );
                string verdict = CompareCommand.Facts(found, $"the model in {stage}", $"the one in {source}");
                if (found.Verdict == ComparisonVerdict.FirstIsBetter)
                {
                    terminal.WriteText($"Not promoted. {verdict}\n");
                    return ExitCode.GateFailed;
                }

                terminal.WriteText($"Promoted: {verdict}\n");
                why = why is null ? verdict : $"{why}. {verdict}";
            }

            return Said(terminal, model, stage, registry.Promote(model, source, stage, why));
        });
        return command;
    }

    private static Command RollBack(Terminal terminal)
    {
        Argument<string> name = Name();
        Option<string> stage = Stage("--stage", "The stage.", ModelRegistry.Production);
        Option<string?> reason = Reason();
        var command = new Command("rollback", "Give a stage the version that it had before.") { name, stage, reason };
        command.SetAction(parsed =>
        {
            string version = new ModelRegistry().RollBack(
                parsed.GetRequiredValue(name),
                parsed.GetRequiredValue(stage),
                parsed.GetValue(reason)
            );
            return Said(terminal, parsed.GetRequiredValue(name), parsed.GetRequiredValue(stage), version);
        });
        return command;
    }

    private static int Said(Terminal terminal, string name, string stage, string version)
    {
        terminal.WriteText($"{ModelRegistry.Scheme}{name}@{stage} is now version {version[..12]}.\n");
        return ExitCode.Done;
    }

    private static Argument<string> Name() => new("name") { Description = "Name of the model." };

    private static Option<string> Stage(string option, string description, string standard) =>
        new(option)
        {
            Description = description,
            HelpName = "stage",
            DefaultValueFactory = _ => standard,
        };

    private static Option<string?> Reason() =>
        new("--reason") { Description = "Why, for the history.", HelpName = "text" };
}
