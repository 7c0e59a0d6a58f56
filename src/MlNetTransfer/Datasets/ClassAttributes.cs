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
    private const int MostCells = 10_000_000,
        Digits = 9;
    private readonly double[][] values;

    /// <param name="source">Where they come from, for messages.</param>
    /// <param name="classes">Names of the classes, all different, at least 2.</param>
    /// <param name="names">Names of the attributes, at least 1.</param>
    /// <param name="values">The numbers [classes][attributes], all finite; no two classes are alike.</param>
    /// <exception cref="TransferException">A class stands there twice, two classes are described alike, or an attribute
    /// says the same of all or is not finite; the message names them.</exception>
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
                $"'{source}' describes too little: classes: {classes.Count}, attributes: {names.Count}. At least "
                    + "2 classes and 1 attribute are needed. The first column names the class, every other one is an "
                    + "attribute."
            );
        (Source, Classes, Names) = (source, [.. classes], [.. names]);
        this.values = [.. values.Select(row => row.ToArray())];
        RequireNames();
        Directions = Standardised();
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
    /// <param name="limits">What it may cost; null for the defaults.</param>
    /// <exception cref="TransferException">It is missing or not like that; the message has the line, the column, what
    /// was found and what is expected.</exception>
    public static ClassAttributes Read(string file, ListLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        char? separator = file.EndsWith(".tsv", StringComparison.OrdinalIgnoreCase) ? '\t' : null;
        string[]? names = null;
        List<string> classes = [];
        List<double[]> values = [];
        foreach ((long line, string[] fields) in CsvRows.Records(file, separator, limits ?? new ListLimits()))
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
    /// Attributes as directions: each attribute less its mean over all classes, divided by its deviation; each class of
    /// length 1 [classes][attributes].
    /// </summary>
    internal IReadOnlyList<double[]> Directions { get; }

    private double[][] Standardised()
    {
        double[][] rows = [.. values.Select(row => row.ToArray())];
        for (int i = 0; i < Names.Count; i++)
        {
            int broken = Array.FindIndex(rows, row => !double.IsFinite(row[i]));
            if (broken >= 0)
                throw new TransferException(
                    $"'{Source}': '{Names[i]}' of '{Classes[broken]}' is {values[broken][i]}; a finite number is "
                        + "expected."
                );
            // So that neither a sum nor a square leaves the range of double.
            double largest = rows.Max(row => Math.Abs(row[i]));
            foreach (double[] row in rows)
                row[i] /= largest > 0 ? largest : 1;
            double mean = rows.Average(row => row[i]),
                deviation = Math.Sqrt(rows.Average(row => Math.Pow(row[i] - mean, 2)));
            if (!(deviation > 1e-12))
                throw new TransferException(
                    $"'{Source}' says the same of every class in '{Names[i]}'. Leave that column out."
                );
            foreach (double[] row in rows)
                row[i] = (row[i] - mean) / deviation;
        }

        foreach (double[] row in rows)
        {
            double length = Math.Sqrt(row.Sum(value => value * value));
            for (int i = 0; i < row.Length && length > 1e-9; i++)
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

    private void RequireNames()
    {
        if (Classes.Any(string.IsNullOrWhiteSpace) || Names.Any(string.IsNullOrWhiteSpace))
            throw new TransferException($"'{Source}' has a class or an attribute without a name. Give it one.");
        foreach (IReadOnlyList<string> names in (IReadOnlyList<string>[])[Classes, Names])
            if (names.GroupBy(name => name, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
                throw new TransferException($"'{Source}' has '{twice.Key}' twice. Leave one of them out.");
        if (LookAlikes.Find(Classes) is var (one, other))
            throw new TransferException(
                $"'{Source}' has two classes that look alike: {LookAlikes.Describe(one, other)}. Rename one of them."
            );
    }

    /// <summary>Classes of one direction have equal scores for ever, and one without direction has none.</summary>
    private void RequireDifferent()
    {
        Dictionary<string, int> known = [];
        for (int c = 0; c < Classes.Count; c++)
        {
            if (Directions[c].All(value => Math.Abs(value) < 1e-9))
                throw new TransferException(
                    $"'{Source}' says of '{Classes[c]}' what is the mean of all classes, so that nothing tells it from "
                        + "the others. Add an attribute in which it differs."
                );
            string key = string.Join(
                ' ',
                Directions[c]
                    .Select(value => Math.Round(value, Digits) + 0.0)
                    .Select(value => value.ToString("r", CultureInfo.InvariantCulture))
            );
            if (!known.TryAdd(key, c))
                throw new TransferException(
                    $"'{Source}' does not tell '{Classes[known[key]]}' from '{Classes[c]}': their attributes, each "
                        + "less its mean, have the same proportions. Add an attribute in which they differ."
                );
        }
    }
}
