using System.Globalization;

namespace MlNetTransfer.Datasets;

/// <summary>
/// What classes are like: a number for each class and attribute, by which a class that has no images is told from those
/// that have. Immutable; an invalid instance cannot be made.
/// </summary>
/// <remarks>
/// An attribute is whatever can be said of every class: whether it has wings, how long it is, or a number of an
/// embedding of its name by a network of texts.
/// </remarks>
public sealed class ClassAttributes
{
    private const int MostCells = 10_000_000;
    private readonly double[][] values;

    /// <param name="source">Where they come from, for messages.</param>
    /// <param name="classes">Names of the classes, all different, at least 2.</param>
    /// <param name="names">Names of the attributes, at least 1.</param>
    /// <param name="values">The numbers [classes][attributes], all finite; no two classes are alike.</param>
    /// <exception cref="TransferException">A class stands there twice, two classes are described alike, or an attribute
    /// says the same of all; the message names them.</exception>
    public ClassAttributes(
        string source,
        IReadOnlyList<string> classes,
        IReadOnlyList<string> names,
        IReadOnlyList<IReadOnlyList<double>> values
    )
    {
        if (values.Count != classes.Count || values.Any(row => row.Count != names.Count))
            throw new ArgumentException(
                $"{classes.Count} classes and {names.Count} attributes need as many rows and columns.",
                nameof(values)
            );
        if (classes.Count < 2 || names.Count < 1)
            throw new TransferException(
                $"'{source}' describes {classes.Count} classes by {names.Count} attributes; at least 2 classes and 1 "
                    + "attribute are needed. The first column names the class, every other one is an attribute."
            );
        (Source, Classes, Names) = (source, [.. classes], [.. names]);
        this.values = [.. values.Select(row => row.ToArray())];
        RequireDifferent();
    }

    /// <summary>Where they come from.</summary>
    public string Source { get; }

    /// <summary>Names of the classes.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>Names of the attributes.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>What is said of a class [attributes].</summary>
    /// <param name="label">Its place in <see cref="Classes"/>.</param>
    public IReadOnlyList<double> Of(int label) => values[label];

    /// <summary>
    /// Reads a .csv or .tsv file: a line for each class, its name in the first column, a number, yes or no in the
    /// others, whose names are in the first line.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <exception cref="TransferException">It is missing or not like that; the message has the line, the column, what
    /// was found and what is expected.</exception>
    public static ClassAttributes Read(string file)
    {
        string[]? names = null;
        List<string> classes = [];
        List<double[]> values = [];
        foreach ((long line, string[] fields) in CsvRows.Records(file, null, new ListLimits()))
            if (names is null)
                names = [.. fields.Skip(1).Select(name => name.Trim())];
            else
            {
                if ((classes.Count + 1L) * names.Length > MostCells)
                    throw new TransferException(
                        $"'{file}' has more than {MostCells} numbers, the most allowed. Describe the classes by less."
                    );
                string name = fields[0].Trim();
                if (name.Length == 0)
                    throw new TransferException($"'{file}', line {line}: the class has no name. Give it one.");
                classes.Add(name);
                values.Add([
                    .. fields.Skip(1).Select((text, i) => Number(text.Trim(), $"'{file}', line {line}", names[i])),
                ]);
            }

        if (names is null)
            throw new TransferException(
                $"'{file}' is empty. The first line must name the columns: the class, then its attributes."
            );
        return new ClassAttributes(file, classes, names, values);
    }

    /// <summary>
    /// Attributes of some classes as directions: each attribute less its mean over all classes, divided by its
    /// deviation; each class of length 1 [classes][attributes].
    /// </summary>
    internal double[][] Directions()
    {
        double[][] rows = [.. values.Select(row => row.ToArray())];
        for (int i = 0; i < Names.Count; i++)
        {
            double mean = rows.Average(row => row[i]),
                deviation = Math.Sqrt(rows.Average(row => Math.Pow(row[i] - mean, 2)));
            foreach (double[] row in rows)
                row[i] = (row[i] - mean) / deviation;
        }

        foreach (double[] row in rows)
        {
            double length = Math.Sqrt(row.Sum(value => value * value));
            for (int i = 0; i < row.Length && length > 0; i++)
                row[i] /= length;
        }

        return rows;
    }

    private static double Number(string text, string where, string attribute)
    {
        if (
            text.Equals("yes", StringComparison.OrdinalIgnoreCase)
            || text.Equals("true", StringComparison.OrdinalIgnoreCase)
        )
            return 1;
        if (
            text.Equals("no", StringComparison.OrdinalIgnoreCase)
            || text.Equals("false", StringComparison.OrdinalIgnoreCase)
        )
            return 0;
        return
            double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            && double.IsFinite(value)
            ? value
            : throw new TransferException(
                $"{where}: '{attribute}' is '{text}'; a number such as 0.5, yes or no is expected."
            );
    }

    private void RequireDifferent()
    {
        if (Classes.GroupBy(name => name, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new TransferException($"'{Source}' describes '{twice.Key}' twice. Leave one of the lines out.");
        if (LookAlikes.Find(Classes) is var (one, other))
            throw new TransferException(
                $"'{Source}' has two classes that look alike: {LookAlikes.Describe(one, other)}. Rename one of them."
            );
        for (int i = 0; i < Names.Count; i++)
            if (values.All(row => row[i] == values[0][i]))
                throw new TransferException(
                    $"'{Source}' says the same of every class in '{Names[i]}'. Leave that column out."
                );
        for (int a = 0; a < values.Length; a++)
        for (int b = a + 1; b < values.Length; b++)
            if (values[a].SequenceEqual(values[b]))
                throw new TransferException(
                    $"'{Source}' says the same of '{Classes[a]}' and '{Classes[b]}': nothing tells them apart. Add an "
                        + "attribute in which they differ."
                );
    }
}
