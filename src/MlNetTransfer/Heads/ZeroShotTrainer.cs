using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>
/// How to fit a head that knows classes without images. Immutable; an invalid instance cannot be made.
/// </summary>
public sealed record ZeroShotTrainerOptions
{
    /// <summary>
    /// Penalty on what is learnt of the attributes, each class's being of length 1; in [1e-6, 1e6]. Default 1: from 0.3
    /// to 3 the accuracy on Fashion-MNIST differs by 2 points.
    /// </summary>
    public double Penalty
    {
        get;
        init => field = Check.InRange(value, 1e-6, 1e6, nameof(Penalty));
    } = 1;

    /// <summary>Seed of the folds. Default 0.</summary>
    public int Seed { get; init; }

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}

/// <summary>
/// Fits a head for classes with images and for others that are only described, by attributes of all (zero-shot
/// learning).
/// </summary>
/// <remarks>
/// <para>Romera-Paredes and Torr, An embarrassingly simple approach to zero-shot learning, ICML 2015: with scores z of
/// the classes with images (here of kernel ridge regression, of more than 5,000 rows ridge regression; less their mean)
/// and the attributes S of those classes, every class, with images or without, has the score
/// z·S·(SᵀS + λI)⁻¹·s, s its attributes. Each attribute is standardised over all classes and each class then made of
/// length 1.</para>
/// <para>A class without images hardly ever has the highest score, since the head was fitted to prefer the others. So
/// those are handicapped by one number (calibrated stacking; Chao, Changpinyo, Gong and Sha, ECCV 2016), that which
/// gives the highest harmonic mean of the accuracies of both kinds (Xian, Lampert, Schiele and Akata, TPAMI 2018) where
/// classes with images are held out as if they had none: as many at a time as are only described, at least two, at most
/// half, in turn until each was; with every fifth image of the others, which says how well those are still found. The
/// temperature is that of the same predictions, both kinds counting the same.</para>
/// </remarks>
/// <param name="attributes">What all classes are like.</param>
/// <param name="options">How; null for the defaults.</param>
public sealed class ZeroShotTrainer(ClassAttributes attributes, ZeroShotTrainerOptions? options = null)
{
    /// <summary>Classes with images at least: two are held out at a time, and two are left.</summary>
    public const int LeastClasses = 4;

    private const int ImageFolds = 5,
        Steps = 60;
    private readonly ZeroShotTrainerOptions options = options ?? new ZeroShotTrainerOptions();
    private readonly double[][] directions = attributes.Directions();

    /// <summary>Fits the head.</summary>
    /// <param name="seen">Rows of the classes with images; each of those has at least two.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    /// <returns>The head, for all classes of the attributes in their order. Equal inputs and options give equal
    /// heads.</returns>
    /// <exception cref="TransferException">A class of the rows is not described, none is only described, or too few
    /// have images; the message names them.</exception>
    public ZeroShotFit Fit(
        FeatureTable seen,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(seen);
        HeadRows.CheckTrainable(seen);
        int[] places = RequireDescribed(seen.ClassNames);
        Pretended pretended = Pretend(seen, places, attributes.Classes.Count - places.Length, progress, cancellation);
        double handicap = pretended.BestHandicap(out ZeroShotJudgement judgement);
        double temperature = TemperatureCalibration.Fit(pretended.Logits(handicap)).Temperature;
        IHead head = Combine(
            Base(seen.Rows).Fit(seen, progress, cancellation),
            places,
            [.. Enumerable.Range(0, attributes.Classes.Count)],
            handicap,
            temperature
        );
        return new ZeroShotFit(head, handicap, temperature, judgement);
    }

    /// <summary>Where the classes with images stand among the described ones.</summary>
    /// <exception cref="TransferException">One is not described, none is only described, or too few have
    /// images.</exception>
    internal int[] RequireDescribed(IReadOnlyList<string> classes)
    {
        int[] places = Places(classes);
        if (places.Length == attributes.Classes.Count)
            throw new TransferException(
                $"Every class of '{attributes.Source}' has images: there is none to know without. Describe another, or "
                    + "train without attributes."
            );
        if (places.Length < LeastClasses)
            throw new TransferException(
                $"{places.Length} classes have images; at least {LeastClasses} are needed to know others from what "
                    + "they are like. Add images of another class."
            );
        return places;
    }

    /// <summary>Where the classes of rows stand among the described ones.</summary>
    private int[] Places(IReadOnlyList<string> classes)
    {
        int[] places = [.. classes.Select(name => attributes.Classes.ToList().IndexOf(name))];
        string[] missing = [.. classes.Where((_, i) => places[i] < 0)];
        return missing.Length == 0
            ? places
            : throw new TransferException(
                $"'{attributes.Source}' does not describe {string.Join(", ", missing.Select(name => $"'{name}'"))}, "
                    + $"which {(missing.Length == 1 ? "has" : "have")} images. It describes "
                    + $"{string.Join(", ", attributes.Classes.Select(name => $"'{name}'"))}. Add a line for each, "
                    + "named like its folder."
            );
    }

    private IHeadTrainer Base(int rows) =>
        rows <= KernelRidgeTrainer.MostRows
            ? new KernelRidgeTrainer(new KernelRidgeTrainerOptions { Workers = options.Workers })
            : new RidgeTrainer(new RidgeTrainerOptions { Workers = options.Workers });

    /// <summary>The head for some classes of the attributes, made of one for those with images.</summary>
    /// <param name="head">The head.</param>
    /// <param name="from">The places of its classes.</param>
    /// <param name="to">The places of the classes that are wanted.</param>
    /// <param name="handicap">What classes with images lose.</param>
    /// <param name="temperature">What logits are divided by.</param>
    private IHead Combine(IHead head, int[] from, int[] to, double handicap, double temperature)
    {
        double[][] factors = Factors(from, to);
        foreach (double[] row in factors)
            for (int i = 0; i < row.Length; i++)
                row[i] /= temperature;
        var map = new LogitMap(
            [.. to.Select(place => attributes.Classes[place])],
            factors,
            [.. to.Select(place => from.Contains(place) ? -handicap / temperature : 0)]
        );
        return head is KernelRidgeHead kernel ? kernel.Combined(map) : ((LinearHead)head).Combined(map);
    }

    /// <summary>(S_to·(SᵀS + λI)⁻¹·Sᵀ) less the mean of each row, so that the scores' mean counts nothing.</summary>
    private double[][] Factors(int[] from, int[] to)
    {
        // (SᵀS + λI)⁻¹·Sᵀ = Sᵀ·(S·Sᵀ + λI)⁻¹: a system of as many unknowns as there are classes.
        double[][] products =
        [
            .. from.Select(a =>
                from.Select(b => Product(directions[a], directions[b]) + (a == b ? options.Penalty : 0)).ToArray()
            ),
        ];
        // λ is above 0, so that there is one.
        Cholesky system = Cholesky.Factor(products, new ParallelOptions { MaxDegreeOfParallelism = options.Workers })!;
        double[][] factors =
        [
            .. to.Select(place => from.Select(a => Product(directions[a], directions[place])).ToArray()),
        ];
        foreach (double[] row in factors)
        {
            system.Solve(row);
            double mean = row.Average();
            for (int i = 0; i < row.Length; i++)
                row[i] -= mean;
        }

        return factors;
    }

    private static double Product(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();

    /// <summary>Classes with images held out as if they had none.</summary>
    private Pretended Pretend(
        FeatureTable seen,
        int[] places,
        int described,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    )
    {
        int held = Math.Clamp(described, 2, places.Length / 2),
            turns = places.Length / held;
        int[] order = [.. Enumerable.Range(0, places.Length).OrderBy(c => seen.ClassNames[c], StringComparer.Ordinal)];
        new Rng(options.Seed).Shuffle<int>(order);
        int[] fold = CrossValidation.Folds(seen.Labels, ImageFolds, options.Seed, seen.ClassNames);
        var pretended = new Pretended(places.Length);
        for (int turn = 0; turn < turns; turn++)
        {
            progress?.Report(new FitProgress("Holding classes out", turn, turns));
            HashSet<int> without = [.. order.Where((_, i) => i % turns == turn)];
            int[] kept = [.. Enumerable.Range(0, places.Length).Where(c => !without.Contains(c))];
            int[] train = RowsOf(row => !without.Contains(seen.Labels[row]) && fold[row] != turn % ImageFolds),
                test = RowsOf(row => without.Contains(seen.Labels[row]) || fold[row] == turn % ImageFolds);
            FeatureTable some = seen.Select(train);
            var part = new FeatureTable(
                [.. kept.Select(c => seen.ClassNames[c])],
                [.. some.Labels.Select(label => Array.IndexOf(kept, label))],
                some.Values,
                some.Width
            )
            {
                Networks = some.Networks,
            };
            IHead head = Combine(
                Base(part.Rows).Fit(part, null, cancellation),
                [.. kept.Select(c => places[c])],
                places,
                0,
                1
            );
            FeatureTable rest = seen.Select(test);
            var logits = new float[rest.Rows * places.Length];
            head.Logits(rest.Values, logits);
            pretended.Add(logits, rest.Labels, without);
        }

        return pretended;

        int[] RowsOf(Func<int, bool> isIn) => [.. Enumerable.Range(0, seen.Rows).Where(isIn)];
    }

    /// <summary>Scores of all classes with images, by heads that did not know some of them.</summary>
    private sealed class Pretended(int classes)
    {
        private readonly List<Row> rows = [];

        public void Add(float[] logits, int[] labels, HashSet<int> without)
        {
            bool[] unknown = [.. Enumerable.Range(0, classes).Select(without.Contains)];
            for (int i = 0; i < labels.Length; i++)
                rows.Add(new Row(logits[(i * classes)..((i + 1) * classes)], labels[i], unknown));
        }

        /// <summary>The handicap with the highest harmonic mean; the lowest of equal ones.</summary>
        public double BestHandicap(out ZeroShotJudgement judgement)
        {
            // Beyond the largest difference of two scores nothing changes any more.
            double most = rows.Max(row => row.Logits.Max() - row.Logits.Min());
            (double handicap, judgement) = Enumerable
                .Range(0, Steps + 1)
                .Select(step => (Handicap: most * step / Steps, Judged: Judge(most * step / Steps)))
                .MaxBy(tried => tried.Judged.HarmonicMean);
            return handicap;
        }

        /// <summary>The scores with a handicap; both kinds of classes count the same.</summary>
        public HeldOutLogits Logits(double handicap)
        {
            var logits = new HeldOutLogits(classes);
            int unknown = rows.Count(row => row.IsUnknown);
            foreach (Row row in rows)
                logits.Add(
                    [.. row.Logits.Select((z, c) => (float)(row.Unknown[c] ? z : z - handicap))],
                    row.Label,
                    row.IsUnknown ? (double)rows.Count / unknown : (double)rows.Count / (rows.Count - unknown)
                );
            return logits;
        }

        private ZeroShotJudgement Judge(double handicap)
        {
            Row[] unknown = [.. rows.Where(row => row.IsUnknown)],
                known = [.. rows.Where(row => !row.IsUnknown)];
            double without = unknown.Average(row => row.Best(handicap, _ => true) == row.Label ? 1.0 : 0),
                with = known.Average(row => row.Best(handicap, _ => true) == row.Label ? 1.0 : 0);
            return new ZeroShotJudgement(
                unknown.Average(row => row.Best(0, c => row.Unknown[c]) == row.Label ? 1.0 : 0),
                unknown.Average(row => 1.0 / row.Unknown.Count(isUnknown => isUnknown)),
                without,
                with,
                known.Average(row => row.Best(0, c => !row.Unknown[c]) == row.Label ? 1.0 : 0),
                unknown.Length,
                known.Length
            );
        }

        /// <param name="Logits">Scores [classes].</param>
        /// <param name="Label">The class.</param>
        /// <param name="Unknown">Which classes the head did not know [classes].</param>
        private sealed record Row(float[] Logits, int Label, bool[] Unknown)
        {
            public bool IsUnknown => Unknown[Label];

            public int Best(double handicap, Func<int, bool> isAsked) =>
                Enumerable
                    .Range(0, Logits.Length)
                    .Where(isAsked)
                    .MaxBy(c => Unknown[c] ? Logits[c] : Logits[c] - handicap);
        }
    }
}

/// <summary>A head that knows classes without images.</summary>
/// <param name="Head">The head, for all described classes.</param>
/// <param name="Handicap">What the scores of classes with images lose.</param>
/// <param name="Temperature">What scores are then divided by.</param>
/// <param name="Judgement">What classes held out as if they had no images say of it.</param>
public sealed record ZeroShotFit(IHead Head, double Handicap, double Temperature, ZeroShotJudgement Judgement);

/// <summary>
/// How well classes are known without images: measured on classes with images that were held out whole. Shares in
/// [0, 1].
/// </summary>
/// <param name="AmongThemselves">Images of those classes that are taken for the right one of those held out
/// together.</param>
/// <param name="Chance">What guessing would get of that.</param>
/// <param name="Without">Images of those classes that are taken for the right one of all classes.</param>
/// <param name="With">Images held out of the other classes that are taken for the right one of all.</param>
/// <param name="WithAlone">The same where the classes held out are no choice: what describing others costs is the
/// difference.</param>
/// <param name="WithoutImages">Images that <paramref name="Without"/> is of.</param>
/// <param name="WithImages">Images that <paramref name="With"/> is of.</param>
public sealed record ZeroShotJudgement(
    double AmongThemselves,
    double Chance,
    double Without,
    double With,
    double WithAlone,
    int WithoutImages,
    int WithImages
)
{
    /// <summary>2·a·b / (a + b) of <see cref="Without"/> and <see cref="With"/>: low where one of them is.</summary>
    public double HarmonicMean => Without + With == 0 ? 0 : 2 * Without * With / (Without + With);
}
