using System.Globalization;

namespace MlNetTransfer.Experiments;

/// <summary>A column: its name in the header and in the JSON file, and how its numbers look on the console.</summary>
/// <param name="Name">The name.</param>
/// <param name="Width">Characters at least; the header's, if it has more.</param>
/// <param name="Format">Format of numbers; null for text, which stands on the left.</param>
/// <param name="Scale">What numbers are multiplied by on the console, e.g. 100 for shares in per cent.</param>
internal sealed record Column(string Name, int Width, string? Format = null, double Scale = 1)
{
    /// <summary>Texts.</summary>
    public static Column Text(string name, int width = 0) => new(name, width);

    /// <summary>Numbers as they are.</summary>
    public static Column Number(string name, string format = "0", int width = 0) => new(name, width, format);

    /// <summary>Shares in [0, 1], shown in per cent.</summary>
    public static Column Percent(string name, int width = 13, string format = "0.0") => new(name, width, format, 100);

    public string Header => (Scale == 100 ? $"{Name} %" : Name).PadRight(Width);

    public string Show(object? cell)
    {
        string text = cell switch
        {
            null => "",
            Figure figure => figure.Show(Scale, Format!),
            double number => (Scale * number).ToString(Format, CultureInfo.InvariantCulture),
            IFormattable number => number.ToString(Format, CultureInfo.InvariantCulture),
            _ => cell.ToString()!,
        };
        return Format is null ? text.PadRight(Header.Length) : text.PadLeft(Header.Length);
    }
}

/// <summary>
/// Rows of figures: each is printed when it comes, for an experiment may take hours, and kept for the JSON file.
/// </summary>
internal sealed class Table(Experiment experiment, string title, IReadOnlyList<Column> columns)
{
    private readonly List<IReadOnlyDictionary<string, object?>> rows = [];

    /// <summary>What it shows, and units.</summary>
    public string Title { get; } = title;

    /// <summary>The rows by the names of the columns; numbers unrounded, shares in [0, 1].</summary>
    public IReadOnlyList<IReadOnlyDictionary<string, object?>> Rows => rows;

    /// <summary>Prints and keeps a row.</summary>
    /// <param name="cells">A cell for each column: text, number, <see cref="Figure"/>, or null for none.</param>
    public void Add(params IReadOnlyList<object?> cells)
    {
        if (cells.Count != columns.Count)
            throw new ArgumentException($"{cells.Count} cells for {columns.Count} columns.", nameof(cells));
        experiment.Print(
            this,
            string.Join("  ", columns.Select(c => c.Header)).TrimEnd(),
            string.Join("  ", columns.Zip(cells, (column, cell) => column.Show(cell))).TrimEnd(),
            () => rows.Add(columns.Zip(cells).ToDictionary(p => p.First.Name, p => p.Second))
        );
    }
}
