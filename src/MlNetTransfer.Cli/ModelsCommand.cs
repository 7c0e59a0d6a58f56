using System.CommandLine;
using MlNetTransfer.Backbones;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>models: the pretrained backbones that can be used.</summary>
internal static class ModelsCommand
{
    public static Command Create(Terminal terminal)
    {
        return new Command("models", "The pretrained backbones.") { List(terminal), Show(terminal) };
    }

    private static Command List(Terminal terminal)
    {
        Option<bool> json = CommonOptions.Json();
        var command = new Command("list", "List the backbones.") { json };
        command.SetAction(parsed =>
        {
            IReadOnlyList<BackboneCard> cards = BackboneCatalog.Default.Cards;
            if (parsed.GetValue(json)) terminal.WriteJson(new { backbones = cards });
            else terminal.Output.Write(Table(cards));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Show(Terminal terminal)
    {
        var id = new Argument<string>("id") { Description = "Id of a backbone." };
        Option<bool> json = CommonOptions.Json();
        var command = new Command("show", "Show one backbone's card: where it comes from, its licence, input, taps and source classes.") { id, json };
        command.SetAction(parsed =>
        {
            BackboneCard card = BackboneCatalog.Default.Get(parsed.GetRequiredValue(id));
            if (parsed.GetValue(json)) terminal.WriteJson(card);
            else Print(terminal.Output, card);
            return ExitCode.Done;
        });
        return command;
    }

    private static Table Table(IReadOnlyList<BackboneCard> cards)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumn("id").AddColumn("name").AddColumn(new TableColumn("input").RightAligned()).AddColumn("default tap").AddColumn(new TableColumn("features").RightAligned()).AddColumn("licence");
        foreach (BackboneCard card in cards)
        {
            BackboneTap tap = card.Tap();
            table.AddRow(new Text(card.Id), new Text(card.Name), new Text($"{card.Preprocessing.Size} px"), new Text(tap.Name), new Text($"{tap.Width}"), new Text(card.License));
        }

        return table;
    }

    private static void Print(IAnsiConsole console, BackboneCard card)
    {
        console.WriteLine($"{card.Id}: {card.Name}");
        console.WriteLine($"Package      {card.Package} {card.PackageVersion} ({card.Format})");
        console.WriteLine($"Licence      {card.License}");
        console.WriteLine($"Provenance   {card.Provenance}");
        console.WriteLine($"Input        {card.Preprocessing.Size} x {card.Preprocessing.Size} RGB, {card.Preprocessing.Framing}, {card.Preprocessing.Interpolation}; mean {Values(card.Preprocessing.Mean)}, standard deviation {Values(card.Preprocessing.Std)}");
        console.WriteLine($"Classes      {(card.SourceClasses.Count > 0 ? string.Join(", ", card.SourceClasses) : "without names, or none")}");
        foreach (BackboneFile file in card.Files) console.WriteLine($"File         {file.Path}  sha256 {file.Sha256}");
        var taps = new Table { Border = TableBorder.Simple };
        taps.AddColumn("tap").AddColumn(new TableColumn("features").RightAligned()).AddColumn(new TableColumn("map").RightAligned()).AddColumn("");
        foreach (BackboneTap tap in card.Taps) taps.AddRow(new Text(tap.Name), new Text($"{tap.Width}"), new Text($"{tap.Size} x {tap.Size}"), new Text(tap.Name == card.DefaultTap ? "default" : ""));
        console.Write(taps);
    }

    private static string Values(Imaging.ChannelValues values) => FormattableString.Invariant($"({values.Red:g4}, {values.Green:g4}, {values.Blue:g4})");
}
