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
/// length 1. What comes out is divided by its root mean square over the training rows, so that scores of heads for
/// other classes are in one unit.</para>
/// <para>A class without images rarely has the highest score, since the head was fitted to prefer the others. So those
/// are handicapped by one number (calibrated stacking; Chao, Changpinyo, Gong and Sha, ECCV 2016), that which gives the
/// highest harmonic mean of the accuracies of both kinds (Xian, Lampert, Schiele and Akata, TPAMI 2018) where classes
/// with images are held out as if they had none: as many at a time as are only described, at least two, at most half,
/// until each was; with every fifth image of the others, which says how well those are still found. What is said of it
/// is measured for each of those turns with the handicap of the other turns. The temperature is that of all of them,
/// both kinds counting the same.</para>
/// </remarks>
/// <param name="attributes">What all classes are like.</param>
/// <param name="options">How; null for the defaults.</param>
public sealed class ZeroShotTrainer(ClassAttributes attributes, ZeroShotTrainerOptions? options = null)
{
    /// <summary>Classes with images at least: two are held out at a time, and two are left.</summary>
    public const int LeastClasses = 4;

    private const int Named = 5;

    private const int ImageFolds = 5;
    private readonly ZeroShotTrainerOptions options = options ?? new ZeroShotTrainerOptions();
    private readonly IReadOnlyList<double[]> directions = attributes.Directions;

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
    ) => Fit(seen, null, progress, cancellation);

    /// <summary>As the other, with rows that belong together.</summary>
    /// <param name="seen">The rows.</param>
    /// <param name="groups">Group of each row, which stay on one side of what is held out; null for none.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    internal ZeroShotFit Fit(
        FeatureTable seen,
        int[]? groups,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    )
    {
        ArgumentNullException.ThrowIfNull(seen);
        HeadRows.CheckTrainable(seen);
        int[] places = RequireDescribed(seen.ClassNames);
        int[] counts = seen.RowsPerClass();
        if (Array.FindIndex(counts, count => count < 2) is >= 0 and var poor)
            throw new TransferException(
                $"Class '{seen.ClassNames[poor]}' has 1 training row; at least 2 are needed, one to train on and one "
                    + "to hold out. Add images of it or leave the class out."
            );
        IHeadTrainer trainer =
            seen.Rows <= KernelRidgeTrainer.MostRows
                ? new KernelRidgeTrainer(new KernelRidgeTrainerOptions { Workers = options.Workers })
                : new RidgeTrainer(new RidgeTrainerOptions { Workers = options.Workers });
        PretendedClasses pretended = Pretend(trainer, seen, places, groups, progress, cancellation);
        double handicap = pretended.BestHandicap(_ => true);
        double temperature = TemperatureCalibration.Fit(pretended.Logits(handicap)).Temperature;
        return new ZeroShotFit(
            Combine(
                trainer.Fit(seen, progress, cancellation),
                seen,
                places,
                [.. Enumerable.Range(0, attributes.Classes.Count)],
                handicap,
                temperature
            ),
            handicap,
            temperature,
            pretended.Judge()
        );
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
        Dictionary<string, int> known = attributes
            .Classes.Select((name, place) => (name, place))
            .ToDictionary(c => c.name, c => c.place, StringComparer.Ordinal);
        string[] missing = [.. classes.Where(name => !known.ContainsKey(name))];
        return missing.Length == 0
            ? [.. classes.Select(name => known[name])]
            : throw new TransferException(
                $"'{attributes.Source}' does not describe {Some(missing)}, which "
                    + $"{(missing.Length == 1 ? "has" : "have")} images. It describes {Some(attributes.Classes)}. Add "
                    + "a line for each, named like its folder."
            );

        static string Some(IReadOnlyList<string> names) =>
            string.Join(", ", names.Take(Named).Select(name => $"'{name}'"))
            + (names.Count > Named ? $" and {names.Count - Named} more" : "");
    }

    /// <summary>The head for some classes of the attributes, made of one for those with images.</summary>
    /// <param name="head">The head.</param>
    /// <param name="train">The rows it was fitted on.</param>
    /// <param name="from">The places of its classes.</param>
    /// <param name="to">The places of the classes that are wanted.</param>
    /// <param name="handicap">What classes with images lose.</param>
    /// <param name="temperature">What scores are divided by.</param>
    private IHead Combine(IHead head, FeatureTable train, int[] from, int[] to, double handicap, double temperature)
    {
        double[][] factors = Factors(from, to);
        string[] names = [.. to.Select(place => attributes.Classes[place])];
        double unit = Unit(Mapped(new LogitMap(names, factors, new double[to.Length])), train) * temperature;
        HashSet<int> known = [.. from];
        return Mapped(
            new LogitMap(
                names,
                [.. factors.Select(row => row.Select(factor => factor / unit).ToArray())],
                [.. to.Select(place => known.Contains(place) ? -handicap / temperature : 0)]
            )
        );

        IHead Mapped(LogitMap map) =>
            head is KernelRidgeHead kernel ? kernel.Combined(map) : ((LinearHead)head).Combined(map);
    }

    /// <summary>Root mean square of the scores of rows, each row's less their mean; 1 where all are equal.</summary>
    private static double Unit(IHead head, FeatureTable rows)
    {
        int classes = head.ClassNames.Count;
        float[] scores = HeadRows.Logits(head, rows);
        double squares = 0;
        for (int start = 0; start < scores.Length; start += classes)
        {
            ReadOnlySpan<float> row = scores.AsSpan(start, classes);
            double mean = 0;
            foreach (float score in row)
                mean += score / (double)classes;
            foreach (float score in row)
                squares += Math.Pow(score - mean, 2);
        }

        double unit = Math.Sqrt(squares / scores.Length);
        return unit > 0 ? unit : 1;
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
    private PretendedClasses Pretend(
        IHeadTrainer trainer,
        FeatureTable seen,
        int[] places,
        int[]? groups,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    )
    {
        int classes = places.Length,
            held = Math.Clamp(attributes.Classes.Count - classes, 2, classes / 2),
            turns = (classes + held - 1) / held;
        int[] order = [.. Enumerable.Range(0, classes).OrderBy(c => seen.ClassNames[c], StringComparer.Ordinal)];
        new Rng(options.Seed).Shuffle<int>(order);
        int[] fold = groups is null
            ? CrossValidation.Folds(seen.Labels, ImageFolds, options.Seed, seen.ClassNames)
            : StratifiedFolds.Assign(
                seen.Labels,
                groups,
                Math.Min(ImageFolds, seen.Rows),
                options.Seed,
                seen.ClassNames
            );
        var pretended = new PretendedClasses(classes);
        HashSet<int> judged = [];
        for (int turn = 0; turn < turns; turn++)
        {
            progress?.Report(new FitProgress("Holding classes out", turn, turns));
            // The last turn holds out some of the first again, so that all turns hold out as many.
            HashSet<int> without = [.. Enumerable.Range(turn * held, held).Select(i => order[i % classes])];
            int[] kept = [.. Enumerable.Range(0, classes).Where(c => !without.Contains(c))];
            int[] train = RowsOf(row => !without.Contains(seen.Labels[row]) && fold[row] != turn % ImageFolds),
                test = RowsOf(row =>
                    without.Contains(seen.Labels[row])
                        ? !judged.Contains(seen.Labels[row])
                        : fold[row] == turn % ImageFolds
                );
            FeatureTable some = seen.Select(train);
            int[] left = [.. kept.Where(c => some.Labels.Contains(c))];
            var part = new FeatureTable(
                [.. left.Select(c => seen.ClassNames[c])],
                [.. some.Labels.Select(label => Array.IndexOf(left, label))],
                some.Values,
                some.Width
            )
            {
                Networks = some.Networks,
            };
            IHead head = Combine(
                trainer.Fit(part, null, cancellation),
                part,
                [.. left.Select(c => places[c])],
                places,
                0,
                1
            );
            FeatureTable rest = seen.Select(test);
            pretended.Add(turn, HeadRows.Logits(head, rest), rest.Labels, without);
            judged.UnionWith(without);
        }

        return pretended;

        int[] RowsOf(Func<int, bool> isIn) => [.. Enumerable.Range(0, seen.Rows).Where(isIn)];
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
