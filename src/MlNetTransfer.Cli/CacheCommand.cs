using System.CommandLine;
using System.Globalization;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>cache: what it holds, and how it is kept small.</summary>
internal static class CacheCommand
{
    private static readonly (string Unit, double Size)[] Sizes =
    [
        ("TB", 1e12),
        ("GB", 1e9),
        ("MB", 1e6),
        ("KB", 1e3),
        ("B", 1),
    ];

    public static Command Create(Terminal terminal) =>
        new("cache", $"What is kept to save time ({CacheFolder.Variable}): features, frozen blocks, backbones.")
        {
            Show(terminal),
            Prune(terminal),
        };

    private static Command Show(Terminal terminal)
    {
        Option<bool> json = CommonOptions.Json();
        var command = new Command("show", "Say what is in the cache, how large it is and when it was used.") { json };
        command.SetAction(parsed =>
        {
            IReadOnlyList<CachedItem> items = CacheContents.List();
            if (parsed.GetValue(json))
                terminal.WriteJson(new { folder = CacheFolder.Root, items });
            else
                Print(terminal, items);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Print(Terminal terminal, IReadOnlyList<CachedItem> items)
    {
        terminal.WriteText($"{Size(items.Sum(item => item.Bytes))} in {CacheFolder.Root}\n");
        if (items.Count == 0)
            return;
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumns("what", "used last");
        table.AddColumn(new TableColumn("size").RightAligned());
        foreach (CachedItem item in items)
            table.AddRow(
                new Text($"{item.Kind}/{Path.GetFileName(item.Path)}"),
                new Text(item.LastUsed.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)),
                new Text(Size(item.Bytes))
            );
        terminal.Output.Write(table);
    }

    private static Command Prune(Terminal terminal)
    {
        var most = new Option<long?>("--max-size")
        {
            Description = "Remove the least recently used until no more than this is left.",
            HelpName = "e.g. 5GB",
            CustomParser = result => Parsed(result, ReadSize),
        };
        var unused = new Option<TimeSpan?>("--unused-for")
        {
            Description = "Remove what was not used for this long.",
            HelpName = "e.g. 30d",
            CustomParser = result => Parsed(result, ReadTime),
        };
        var pretend = new Option<bool>("--dry-run") { Description = "Say what would be removed, and remove nothing." };
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "prune",
            "Remove from the cache. What is removed is made again when it is needed; running jobs go on."
        )
        {
            most,
            unused,
            pretend,
            json,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(most) is null && result.GetResult(unused) is null)
                result.AddError("Say what is to go: --max-size, --unused-for or both.");
        });
        command.SetAction(parsed =>
        {
            bool only = parsed.GetValue(pretend);
            CachePruned pruned = CacheContents.Prune(parsed.GetValue(most), parsed.GetValue(unused), pretend: only);
            if (parsed.GetValue(json))
                terminal.WriteJson(pruned);
            else
                terminal.WriteText(
                    $"{pruned.Removed.Count} items, {Size(pruned.FreedBytes)}, {(only ? "would be" : "are")} removed; "
                        + $"{Size(pruned.KeptBytes)} stay.\n"
                );
            return ExitCode.Done;
        });
        return command;
    }

    private static T? Parsed<T>(System.CommandLine.Parsing.ArgumentResult result, Func<string, T?> read)
        where T : struct
    {
        string text = result.Tokens[^1].Value;
        if (read(text) is { } value)
            return value;
        string option = (result.Parent as System.CommandLine.Parsing.OptionResult)?.Option.Name ?? "";
        result.AddError(
            $"{option} is '{text}'; expected a number and a unit: "
                + (typeof(T) == typeof(long) ? "B, KB, MB, GB or TB, e.g. 5GB." : "m, h or d, e.g. 30d.")
        );
        return null;
    }

    private static long? ReadSize(string text)
    {
        foreach ((string unit, double size) in Sizes)
            if (text.EndsWith(unit, StringComparison.OrdinalIgnoreCase))
                return Number(text[..^unit.Length]) is { } number && number * size < long.MaxValue
                    ? (long)(number * size)
                    : null;
        return null;
    }

    private static TimeSpan? ReadTime(string text)
    {
        const double most = 36_500;
        double? number = text.Length > 0 ? Number(text[..^1]) : null;
        double? days = text.LastOrDefault() switch
        {
            'd' => number,
            'h' => number / 24,
            'm' => number / 1440,
            _ => null,
        };
        return days is <= most ? TimeSpan.FromDays(days.Value) : null;
    }

    private static double? Number(string text) =>
        double.TryParse(text.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number)
            ? number
            : null;

    private static string Size(long bytes)
    {
        (string unit, double size) = Sizes.FirstOrDefault(s => bytes >= s.Size, ("B", 1));
        return string.Create(CultureInfo.InvariantCulture, $"{bytes / size:0.#} {unit}");
    }
}
