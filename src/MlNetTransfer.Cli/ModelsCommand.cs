using System.CommandLine;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Imaging;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>models: the pretrained backbones that can be used.</summary>
internal static class ModelsCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        return new Command("models", "The pretrained backbones, and your own.")
        {
            List(terminal),
            Show(terminal),
            ModelsAddCommand.Create(terminal, cancellation),
            Check(terminal, cancellation),
            ModelsCompareCommand.Create(terminal, cancellation),
            ModelsQuantizeCommand.Create(terminal, cancellation),
            Remove(terminal),
        };
    }

    private static Command List(Terminal terminal)
    {
        Option<bool> json = CommonOptions.Json();
        var command = new Command("list", "List the backbones.") { json };
        command.SetAction(parsed =>
        {
            BackboneCatalog catalog = BackboneCatalog.Default;
            if (parsed.GetValue(json))
                terminal.WriteJson(
                    new
                    {
                        backbones = catalog.Cards,
                        own = catalog.Cards.Where(catalog.IsUsers).Select(c => c.Id),
                        problems = catalog.Problems,
                    }
                );
            else
                terminal.Output.Write(Table(catalog));
            foreach (string problem in catalog.Problems)
                terminal.WriteError($"warning: {problem}");
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Show(Terminal terminal)
    {
        var id = new Argument<string>("id") { Description = "Id of a backbone." };
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "show",
            "Show one backbone's card: where it comes from, its licence, input, taps and source classes."
        )
        {
            id,
            json,
        };
        command.SetAction(parsed =>
        {
            BackboneCard card = BackboneCatalog.Default.Get(parsed.GetRequiredValue(id));
            if (parsed.GetValue(json))
                terminal.WriteJson(card);
            else
                Print(terminal.Output, card);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Check(Terminal terminal, CancellationToken cancellation)
    {
        var id = new Argument<string>("id") { Description = "Id of a backbone." };
        var images = new Option<string>("--images")
        {
            Description = PreprocessingFlags.ImagesHelp,
            HelpName = "folder|list",
        };
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "check",
            "Check a backbone's preprocessing against what the network remembers of its training. Exit code 1 where "
                + "it is probably wrong."
        )
        {
            id,
            images,
            json,
        };
        command.SetAction(parsed =>
        {
            Backbone backbone = new BackboneStore(
                BackboneCatalog.Default,
                Path.Combine(CacheFolder.Root, "backbones")
            ).Open(parsed.GetRequiredValue(id), cancellation);
            CheckedPreprocessing found = terminal.WithProgress(progress =>
                OnnxBackboneInspector.Check(
                    backbone,
                    parsed.GetValue(images) is { } source ? SampleFolder.Read(source) : [],
                    progress,
                    cancellation
                )
            );
            if (parsed.GetValue(json))
                terminal.WriteJson(found);
            else
                EvidenceTable.Print(terminal, found.Evidence, found.Taken);
            if (found.Warning is not { } warning)
                return ExitCode.Done;
            terminal.WriteError($"warning: {warning}");
            return ExitCode.Failed;
        });
        return command;
    }

    private static Command Remove(Terminal terminal)
    {
        var id = new Argument<string>("id") { Description = "Id of a backbone that you added." };
        var command = new Command(
            "remove",
            "Remove a backbone that you added. Models trained on it need it no more and stay."
        )
        {
            id,
        };
        command.SetAction(parsed =>
        {
            new UserCatalog().Remove(parsed.GetRequiredValue(id));
            return ExitCode.Done;
        });
        return command;
    }

    private static Table Table(BackboneCatalog catalog)
    {
        var table = new Table { Border = TableBorder.Simple };
        table
            .AddColumn("id")
            .AddColumn("name")
            .AddColumn(new TableColumn("input").RightAligned())
            .AddColumn("default tap")
            .AddColumn(new TableColumn("features").RightAligned())
            .AddColumn("licence")
            .AddColumn("");
        foreach (BackboneCard card in catalog.Cards)
        {
            BackboneTap tap = card.Tap();
            table.AddRow(
                new Text(card.Id),
                new Text(card.Name),
                new Text(card.Preprocessing is { } images ? Pixels(images) : FlagText.Of(card.Encoder.Kind)),
                new Text(tap.Name),
                new Text($"{tap.Width}"),
                new Text(card.License),
                new Text(catalog.IsUsers(card) ? "yours" : "")
            );
        }

        return table;
    }

    /// <summary>Prints a card for people.</summary>
    public static void Print(IAnsiConsole console, BackboneCard card)
    {
        console.WriteLine($"{card.Id}: {card.Name}");
        console.WriteLine($"Package      {card.Package} {card.PackageVersion} ({card.Format})");
        console.WriteLine($"Licence      {card.License}");
        console.WriteLine($"Provenance   {card.Provenance}");
        console.WriteLine($"Input        {card.Encoder.Description}");
        if (card.Adapted is { } adapted)
            console.WriteLine($"Network      takes {adapted}; the graph converts the input");
        console.WriteLine($"Classes      {Classes(card.SourceClasses)}");
        foreach (BackboneFile file in card.Files)
            console.WriteLine($"File         {file.Path}  sha256 {file.Sha256}");
        var taps = new Table { Border = TableBorder.Simple };
        taps.AddColumn("tap")
            .AddColumn(new TableColumn("features").RightAligned())
            .AddColumn(new TableColumn("map").RightAligned())
            .AddColumn("");
        foreach (BackboneTap tap in card.Taps)
            taps.AddRow(
                new Text(tap.Name),
                new Text($"{tap.Width}"),
                new Text($"{tap.Columns ?? tap.Size} x {tap.Size}"),
                new Text(tap.Name == card.DefaultTap ? "default" : "")
            );
        console.Write(taps);
    }

    private static string Pixels(Preprocessing images) =>
        images.Width is { } width ? $"{width} x {images.Size} px" : $"{images.Size} px";

    private static string Classes(IReadOnlyList<string> classes) =>
        classes.Count switch
        {
            0 => "without names, or none",
            > 20 => $"{string.Join(", ", classes.Take(20))}, ... ({classes.Count})",
            _ => string.Join(", ", classes),
        };
}
