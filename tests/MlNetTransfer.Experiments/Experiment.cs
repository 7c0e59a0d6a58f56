using System.Diagnostics;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>One run of one experiment: what it prints, and the JSON file with the same figures.</summary>
/// <param name="name">Name of the experiment.</param>
/// <param name="arguments">Its arguments.</param>
/// <param name="file">The JSON file; null for out/experiments/NAME-DATE.json.</param>
internal sealed class Experiment(string name, IReadOnlyList<string> arguments, string? file)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly Lock gate = new();
    private readonly List<Table> tables = [];
    private readonly List<string> notes = [];
    private readonly DateTimeOffset started = TimeProvider.System.GetLocalNow();
    private readonly long start = Stopwatch.GetTimestamp();
    private Table? last;
    private bool saved;

    /// <summary>Begins a table.</summary>
    public Table Table(string title, params IReadOnlyList<Column> columns)
    {
        lock (gate)
        {
            Table table = new(this, title, columns);
            tables.Add(table);
            return table;
        }
    }

    /// <summary>Prints and keeps a sentence.</summary>
    public void Note(string text)
    {
        lock (gate)
        {
            notes.Add(text);
            Console.WriteLine(text);
        }
    }

    /// <summary>Prints a row, under title and header where the line above is not of the same table.</summary>
    public void Print(Table table, string header, string row, Action keep)
    {
        lock (gate)
        {
            if (last != table)
            {
                if (table.Rows.Count == 0)
                    Console.WriteLine(table.Title);
                Console.WriteLine(header);
            }

            last = table;
            Console.WriteLine(row);
            keep();
        }
    }

    /// <summary>Writes the file, once; nothing where there are no figures.</summary>
    /// <param name="outcome">"complete", or why not: what there is until then is worth keeping.</param>
    public void Save(string outcome)
    {
        lock (gate)
        {
            Table[] filled = [.. tables.Where(t => t.Rows.Count > 0)];
            if (saved || filled.Length == 0)
                return;
            saved = true;
            string path = Path.GetFullPath(
                file
                    ?? Path.Combine(
                        "out/experiments",
                        string.Create(CultureInfo.InvariantCulture, $"{name}-{started:yyyy-MM-dd-HHmmss}.json")
                    )
            );
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            var record = new
            {
                Experiment = name,
                Arguments = arguments,
                Date = started,
                Outcome = outcome,
                Seconds = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 1),
                Machine = Machine.Current(),
                Tables = filled.Select(t => new { t.Title, t.Rows }),
                Notes = notes,
            };
            // Whole or not at all.
            File.WriteAllText(path + ".new", JsonSerializer.Serialize(record, Json) + "\n");
            File.Move(path + ".new", path, overwrite: true);
            Console.WriteLine($"Figures: {path}");
        }
    }
}
