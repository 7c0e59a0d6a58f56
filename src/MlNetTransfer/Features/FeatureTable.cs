namespace MlNetTransfer.Features;

/// <summary>
/// Bottleneck features of labelled images: the matrix that heads are trained on. Immutable by convention: nobody writes
/// to the arrays after construction.
/// </summary>
public sealed class FeatureTable
{
    /// <summary>Makes a table over the given arrays; they are kept, not copied.</summary>
    /// <param name="classNames">Names of the classes [classes]; the index is the label.</param>
    /// <param name="labels">One label per row [rows], each in [0, classes).</param>
    /// <param name="values">Features [rows × width], row-major; every value finite.</param>
    /// <param name="width">Features per row, at least 1.</param>
    /// <exception cref="ArgumentException">Lengths do not agree, a label is out of range, or a value is not finite; the
    /// message says which row.</exception>
    public FeatureTable(IReadOnlyList<string> classNames, int[] labels, float[] values, int width)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        if ((long)labels.Length * width != values.Length)
            throw new ArgumentException(
                $"{labels.Length} rows of {width} features need {(long)labels.Length * width} values, not "
                    + $"{values.Length}.",
                nameof(values)
            );
        for (int row = 0; row < labels.Length; row++)
            if ((uint)labels[row] >= (uint)classNames.Count)
                throw new ArgumentException(
                    $"Row {row} has label {labels[row]}; labels go from 0 to {classNames.Count - 1}.",
                    nameof(labels)
                );
        for (int i = 0; i < values.Length; i++)
            if (!float.IsFinite(values[i]))
                throw new ArgumentException(
                    $"Row {i / width}, feature {i % width} is {values[i]}; features must be finite.",
                    nameof(values)
                );
        (ClassNames, Labels, Values, Width) = (classNames, labels, values, width);
    }

    /// <summary>Names of the classes; the index is the label.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>One label per row [rows].</summary>
    public int[] Labels { get; }

    /// <summary>Features [rows × width], row-major.</summary>
    public float[] Values { get; }

    /// <summary>Features per row.</summary>
    public int Width { get; }

    /// <summary>
    /// Widths of the networks' features where those of several stand side by side: what standardises features gives
    /// each network the same weight, whatever its width. Null: one network.
    /// </summary>
    internal IReadOnlyList<int>? Networks
    {
        get;
        init =>
            field =
                value is null || value.Sum() == Width
                    ? value
                    : throw new ArgumentException(
                        $"The networks have {value.Sum()} features together, a row has {Width}.",
                        nameof(Networks)
                    );
    }

    /// <summary>
    /// How much each row counts [rows], above 0: what ridge and kernel heads multiply its squared error by. Null: all
    /// the same.
    /// </summary>
    internal double[]? Weights
    {
        get;
        init =>
            field =
                value is null || value.Length == Rows
                    ? value
                    : throw new ArgumentException($"{Rows} rows need as many weights, not {value.Length}.");
    }

    /// <summary>Number of rows.</summary>
    public int Rows => Labels.Length;

    /// <summary>Number of classes, those without a row included.</summary>
    public int Classes => ClassNames.Count;

    /// <summary>The features of one row [width].</summary>
    public ReadOnlySpan<float> Row(int row) => Values.AsSpan(row * Width, Width);

    /// <summary>How many rows each class has [classes].</summary>
    internal int[] RowsPerClass()
    {
        var counts = new int[Classes];
        foreach (int label in Labels)
            counts[label]++;
        return counts;
    }

    /// <summary>A table of neighbouring features, e.g. those of one tap; the values are copied.</summary>
    /// <param name="start">First feature, in [0, Width).</param>
    /// <param name="width">Number of features.</param>
    public FeatureTable Columns(int start, int width)
    {
        if (start == 0 && width == Width)
            return this;
        var values = new float[Rows * width];
        for (int row = 0; row < Rows; row++)
            Row(row).Slice(start, width).CopyTo(values.AsSpan(row * width));
        return new FeatureTable(ClassNames, Labels, values, width) { Weights = Weights };
    }

    /// <summary>A table of the given rows, in the given order; the values are copied.</summary>
    public FeatureTable Select(IReadOnlyList<int> rows)
    {
        var labels = new int[rows.Count];
        var values = new float[rows.Count * Width];
        for (int i = 0; i < rows.Count; i++)
        {
            labels[i] = Labels[rows[i]];
            Row(rows[i]).CopyTo(values.AsSpan(i * Width));
        }

        return new FeatureTable(ClassNames, labels, values, Width)
        {
            Networks = Networks,
            Weights = Weights is { } weights ? [.. rows.Select(row => weights[row])] : null,
        };
    }
}

/// <summary>
/// Which features of a row come from which tap: the taps' features stand one after the other. Immutable.
/// </summary>
public sealed record TapGroups
{
    /// <summary>Describes rows made of several taps.</summary>
    /// <param name="names">Names of the taps [taps], at least one.</param>
    /// <param name="widths">Features of each [taps], at least 1.</param>
    /// <exception cref="ArgumentException">There is no tap, the lengths differ, or a width is below 1.</exception>
    public TapGroups(IReadOnlyList<string> names, IReadOnlyList<int> widths)
        : this(names, widths, [.. names.Select(_ => "")]) { }

    /// <summary>Describes rows made of taps of several networks.</summary>
    /// <param name="names">Names of the taps [taps].</param>
    /// <param name="widths">Features of each [taps].</param>
    /// <param name="networks">Id of the network of each [taps]; those of one network stand together.</param>
    internal TapGroups(IReadOnlyList<string> names, IReadOnlyList<int> widths, IReadOnlyList<string> networks)
    {
        if (names.Count == 0 || names.Count != widths.Count)
            throw new ArgumentException(
                $"{names.Count} names and {widths.Count} widths of taps were given; there must be as many of both, "
                    + $"and at least 1.",
                nameof(widths)
            );
        if (widths.Any(width => width < 1))
            throw new ArgumentException(
                $"Tap '{names[widths.ToList().FindIndex(width => width < 1)]}' has no feature; a tap has at least 1.",
                nameof(widths)
            );
        (Names, Widths, Networks) = ([.. names], [.. widths], [.. networks]);
    }

    /// <summary>Names of the taps [taps].</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Features of each tap [taps].</summary>
    public IReadOnlyList<int> Widths { get; }

    /// <summary>Features of a whole row.</summary>
    public int Width => Widths.Sum();

    /// <summary>Id of the network of each tap [taps]; empty texts where there is one network.</summary>
    internal IReadOnlyList<string> Networks { get; }

    /// <summary>The networks, in the order of their taps.</summary>
    internal IReadOnlyList<string> DistinctNetworks => [.. Networks.Distinct()];

    /// <summary>The taps of some networks, by their places here.</summary>
    internal int[] TapsOf(IReadOnlyCollection<string> networks) =>
        [.. Enumerable.Range(0, Names.Count).Where(tap => networks.Contains(Networks[tap]))];

    /// <summary>Some of the taps, in the given order.</summary>
    internal TapGroups Only(IReadOnlyList<int> taps) =>
        new([.. taps.Select(t => Names[t])], [.. taps.Select(t => Widths[t])], [.. taps.Select(t => Networks[t])]);

    /// <summary>The features of some taps, in the given order.</summary>
    /// <param name="table">Rows with the features of all taps.</param>
    /// <param name="taps">Places of the taps here.</param>
    internal FeatureTable Columns(FeatureTable table, IReadOnlyList<int> taps)
    {
        TapGroups only = Only(taps);
        int[]? networks =
            only.DistinctNetworks.Count > 1
                ? [.. only.DistinctNetworks.Select(n => only.TapsOf([n]).Sum(t => only.Widths[t]))]
                : null;
        if (taps.SequenceEqual(Enumerable.Range(0, Names.Count)) && networks is null)
            return table;
        var values = new float[table.Rows * only.Width];
        int to = 0;
        foreach (int tap in taps)
        {
            int from = Widths.Take(tap).Sum();
            for (int row = 0; row < table.Rows; row++)
                table.Row(row).Slice(from, Widths[tap]).CopyTo(values.AsSpan(row * only.Width + to));
            to += Widths[tap];
        }

        return new FeatureTable(table.ClassNames, table.Labels, values, only.Width)
        {
            Networks = networks,
            Weights = table.Weights,
        };
    }
}
