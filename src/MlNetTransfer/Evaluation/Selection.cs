namespace MlNetTransfer.Evaluation;

/// <summary>
/// Takes one of several classifiers by the same held-out rows, and says how accurate what is taken so is on others.
/// </summary>
/// <remarks>
/// Taken is the cheapest (the order they are given in) that is behind the one with the lowest mean log-loss by no more
/// than one standard error of the difference, row by row. The best of several looks better than it is, since luck helps
/// to be chosen; <see cref="Corrected"/> takes that out by the bootstrap: chosen on rows drawn with replacement, judged
/// on those not drawn (Tsamardinos, Greasidou and Borboudakis, Bootstrapping the out-of-sample predictions for
/// efficient and accurate cross-validation, Machine Learning 107, 2018).
/// </remarks>
/// <param name="losses">Log-loss of each classifier on each row [classifiers][rows].</param>
/// <param name="right">Whether it is right [classifiers][rows].</param>
internal sealed class Selection(IReadOnlyList<double[]> losses, IReadOnlyList<bool[]> right)
{
    private const int Draws = 2000;

    /// <summary>The place of the one taken.</summary>
    public int Taken => Take([.. Enumerable.Range(0, losses[0].Length)]);

    /// <summary>Mean loss of a classifier less that of the one with the lowest, and its standard error.</summary>
    public (double Mean, double Error) Behind(int classifier)
    {
        int[] rows = [.. Enumerable.Range(0, losses[0].Length)];
        return Behind(classifier, Best(rows), rows);
    }

    /// <summary>
    /// Accuracy of what is taken, on rows that did not take part in the choice: mean and 95 % interval of the draws.
    /// </summary>
    public (double Accuracy, Interval Interval) Corrected(int seed)
    {
        int n = losses[0].Length;
        var rng = new Rng(seed);
        List<double> found = [];
        for (int draw = 0; draw < Draws; draw++)
        {
            int[] rows = [.. Enumerable.Range(0, n).Select(_ => rng.Next(n))];
            HashSet<int> drawn = [.. rows];
            int[] rest = [.. Enumerable.Range(0, n).Where(row => !drawn.Contains(row))];
            if (rest.Length == 0)
                continue;
            bool[] taken = right[Take(rows)];
            found.Add(rest.Average(row => taken[row] ? 1.0 : 0));
        }

        if (found.Count == 0)
            return (right[Taken].Average(hit => hit ? 1.0 : 0), new Interval(0, 1));
        found.Sort();
        // The mean is over rows left out, a third of all: its own spread is wider than that of all rows. Wilson's
        // interval at that mean has the width of as many rows as there are.
        double mean = found.Average();
        return (mean, WilsonInterval.Of((int)Math.Round(mean * n), n));
    }

    private int Take(int[] rows)
    {
        int best = Best(rows);
        for (int i = 0; i < losses.Count; i++)
            if (Behind(i, best, rows) is var (mean, error) && mean <= error)
                return i;
        return best;
    }

    private int Best(int[] rows) => Enumerable.Range(0, losses.Count).MinBy(i => rows.Average(row => losses[i][row]));

    private (double Mean, double Error) Behind(int classifier, int best, int[] rows)
    {
        double[] behind = [.. rows.Select(row => losses[classifier][row] - losses[best][row])];
        double mean = behind.Average();
        return (mean, Math.Sqrt(behind.Sum(d => (d - mean) * (d - mean))) / behind.Length);
    }
}

/// <summary>What was found for one way of training, on images held out, beside the others.</summary>
/// <param name="Strategy">Its name, e.g. "head" or "finetune".</param>
/// <param name="Accuracy">Share of those images taken for the right class, in [0, 1].</param>
/// <param name="AccuracyInterval">95 % Wilson interval of that [low, high].</param>
/// <param name="LogLoss">Mean log-loss in nats.</param>
/// <param name="Gain">Accuracy less that of the head on frozen features, on the same images.</param>
/// <param name="GainInterval">The 95 % interval of that [low, high], see <see cref="PairedDifference"/>.</param>
/// <param name="Behind">Mean log-loss less that of the best, image by image.</param>
/// <param name="BehindError">Standard error of <paramref name="Behind"/>.</param>
/// <param name="Images">Images that it was judged on.</param>
/// <param name="Seconds">Time that it took; differs from run to run.</param>
/// <param name="Taken">Whether it is the one that was written.</param>
public sealed record StrategyTrial(
    string Strategy,
    double Accuracy,
    IReadOnlyList<double> AccuracyInterval,
    double LogLoss,
    double Gain,
    IReadOnlyList<double> GainInterval,
    double Behind,
    double BehindError,
    int Images,
    double Seconds,
    bool Taken
);

/// <summary>Judges ways of training by what each said of the same images.</summary>
/// <param name="labels">True labels [rows].</param>
/// <param name="classes">Number of classes.</param>
internal sealed class StrategyTable(IReadOnlyList<int> labels, int classes)
{
    private readonly List<(string Name, float[] Probabilities, double Seconds)> rows = [];

    /// <summary>Adds a way; the first is the head on frozen features, the others follow by their cost.</summary>
    public void Add(string name, float[] probabilities, TimeSpan elapsed) =>
        rows.Add((name, probabilities, elapsed.TotalSeconds));

    /// <summary>The choice.</summary>
    public Selection Selection =>
        new(
            [.. rows.Select(row => JudgedRows.Losses(labels, row.Probabilities, classes))],
            [.. rows.Select(row => JudgedRows.Right(labels, row.Probabilities, classes))]
        );

    /// <summary>What was found for each.</summary>
    public IReadOnlyList<StrategyTrial> Trials()
    {
        Selection selection = Selection;
        bool[][] rights = [.. rows.Select(row => JudgedRows.Right(labels, row.Probabilities, classes))];
        int taken = selection.Taken;
        return
        [
            .. rows.Select(
                (row, i) =>
                {
                    int hits = rights[i].Count(hit => hit);
                    Interval own = WilsonInterval.Of(hits, labels.Count);
                    var gain = PairedDifference.Of(rights[0], rights[i]);
                    Interval gained = gain.Interval();
                    (double behind, double error) = selection.Behind(i);
                    return new StrategyTrial(
                        row.Name,
                        (double)hits / labels.Count,
                        [own.Low, own.High],
                        JudgedRows.Losses(labels, row.Probabilities, classes).Average(),
                        gain.Value,
                        i == 0 ? [0, 0] : [gained.Low, gained.High],
                        behind,
                        error,
                        labels.Count,
                        row.Seconds,
                        i == taken
                    );
                }
            ),
        ];
    }
}
