using System.Globalization;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Selective;

/// <summary>How a set of classes is made of a row of probabilities.</summary>
public enum ClassSetKind
{
    /// <summary>
    /// All classes from a probability on: the smallest sets on average (least ambiguous set-valued classifier; Sadinle,
    /// Lei and Wasserman, 2019).
    /// </summary>
    Lac,

    /// <summary>
    /// The likeliest classes until their sum, and a penalty for every class beyond the first few, is enough: larger
    /// sets where an image is harder (regularised adaptive prediction sets; Angelopoulos, Bates, Malik and Jordan,
    /// Uncertainty sets for image classifiers using conformal prediction, 2021).
    /// </summary>
    Raps,
}

/// <summary>
/// Sets of classes that hold the true one as often as was asked for (conformal prediction; Vovk, Gammerman and Shafer,
/// Algorithmic learning in a random world, 2005). Immutable.
/// </summary>
/// <remarks>
/// <para>
/// Each image held out scores how far down one has to go to include its true class: 1 - p of it (LAC), or the sum of
/// the probabilities of likelier classes plus λ·max(0, rank - k) (RAPS with its random part at 0, so that equal images
/// give equal sets, and no set is empty; k = max(1, round √classes) and λ = 0.01, which look at no image). The
/// ⌈(n + 1)·coverage⌉-th smallest of n scores is the threshold. The likeliest class is always in the set.
/// </para>
/// <para>
/// Where the images were held out by the model that is written, the set of the next image of the same kind holds its
/// class with at least that probability (split conformal prediction), over all classes together: a rare or hard class
/// may have less. Where they were held out by folds, the scores of all folds stand together and the model that is
/// written had all images (cross-conformal prediction; Vovk, 2015, without keeping the folds' models); that is no
/// proof, see the measured coverage.
/// </para>
/// </remarks>
public sealed record ClassSets
{
    internal const double RapsLambda = 0.01;
    private const int Parts = 10;

    /// <summary>The share of images whose set should hold the true class, in (0, 1).</summary>
    public required double Coverage
    {
        get;
        init => field = Check.InRange(value, 1e-6, 1 - 1e-6, nameof(Coverage));
    }

    /// <summary>
    /// LAC's threshold: classes with 1 - p at most this, in [0, 1]; above 1 all classes, since there were too few
    /// images for the coverage.
    /// </summary>
    public required double Lac { get; init; }

    /// <summary>RAPS's threshold: classes whose score is at most this; above 1 + λ·classes all of them.</summary>
    public required double Raps { get; init; }

    /// <summary>λ of RAPS: what every class beyond <see cref="FreeClasses"/> adds to the score.</summary>
    public required double Lambda { get; init; }

    /// <summary>k of RAPS: classes without penalty.</summary>
    public required int FreeClasses { get; init; }

    /// <summary>
    /// What the thresholds of the other nine tenths of the images held out give on each tenth: LAC, then RAPS.
    /// </summary>
    public required IReadOnlyList<SetCheck> Checked { get; init; }

    /// <summary>The classes of a set, likeliest first.</summary>
    /// <param name="probabilities">Probabilities [classes].</param>
    /// <param name="kind">How the set is made.</param>
    public int[] Of(ReadOnlySpan<float> probabilities, ClassSetKind kind)
    {
        double threshold = kind == ClassSetKind.Lac ? Lac : Raps;
        int[] order = Falling(probabilities);
        int count = 1;
        double sum = probabilities[order[0]];
        for (; count < order.Length; count++)
        {
            float own = probabilities[order[count]];
            if (Score(kind, own, sum, count + 1, Lambda, FreeClasses) > threshold)
                break;
            sum += own;
        }

        return order[..count];
    }

    /// <summary>What it promises, in a sentence.</summary>
    internal string Line(ReliabilityEvidence evidence)
    {
        SetCheck lac = Checked.First(check => check.Kind == ClassSetKind.Lac);
        string how = evidence == ReliabilityEvidence.HeldOut ? "" : " by folds";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"Sets of {lac.MeanSize:0.0#} classes on average hold the true one on {100 * Coverage:0.#} % of images "
                + $"(measured{how}: {100 * lac.Coverage:f1} %, {100 * lac.CoverageInterval[0]:f1} to "
                + $"{100 * lac.CoverageInterval[1]:f1})."
        );
    }

    /// <summary>Finds the thresholds, and how they do.</summary>
    /// <param name="labels">True labels of images held out [images]; at least one.</param>
    /// <param name="probabilities">Their probabilities [images × classes].</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="coverage">The share of sets that should hold the true class, in (0, 1).</param>
    internal static ClassSets Of(
        IReadOnlyList<int> labels,
        ReadOnlyMemory<float> probabilities,
        int classes,
        double coverage
    )
    {
        int[] all = [.. Enumerable.Range(0, labels.Count)];
        ClassSets sets = Fitted(labels, probabilities, classes, coverage, all);
        return sets with { Checked = [.. Enum.GetValues<ClassSetKind>().Select(Check)] };

        SetCheck Check(ClassSetKind kind)
        {
            var hits = new bool[labels.Count];
            long size = 0;
            int parts = Math.Min(Parts, labels.Count);
            for (int part = 0; part < parts; part++)
            {
                int[] judged = [.. all.Where(i => i % parts == part)],
                    others = [.. all.Where(i => i % parts != part)];
                ClassSets fitted = Fitted(labels, probabilities, classes, coverage, others);
                foreach (int i in judged)
                {
                    int[] set = fitted.Of(probabilities.Span.Slice(i * classes, classes), kind);
                    (hits[i], size) = (set.Contains(labels[i]), size + set.Length);
                }
            }

            return SetCheck.Of(kind, labels, hits, (double)size / labels.Count, classes);
        }
    }

    /// <summary>Scores of the true classes by one of the ways.</summary>
    internal static double[] Scores(
        ClassSetKind kind,
        IReadOnlyList<int> labels,
        ReadOnlySpan<float> probabilities,
        int classes,
        double lambda,
        int free
    )
    {
        var scores = new double[labels.Count];
        for (int i = 0; i < scores.Length; i++)
        {
            ReadOnlySpan<float> row = probabilities.Slice(i * classes, classes);
            double sum = 0;
            int rank = 0;
            foreach (int c in Falling(row))
            {
                rank++;
                if (c == labels[i])
                    break;
                sum += row[c];
            }

            scores[i] = Score(kind, row[labels[i]], sum, rank, lambda, free);
        }

        return scores;
    }

    /// <summary>The ⌈(n + 1)·share⌉-th smallest of n values; what is beyond all where that is more than n.</summary>
    internal static double Quantile(double[] values, double share, double beyond)
    {
        double[] sorted = [.. values.Order()];
        int place = (int)Math.Ceiling((sorted.Length + 1) * share - 1e-9);
        return place <= sorted.Length ? sorted[Math.Max(0, place - 1)] : beyond;
    }

    /// <summary>The index of the largest number; of equal ones, the first.</summary>
    internal static int Likeliest(ReadOnlySpan<float> row)
    {
        int best = 0;
        for (int c = 1; c < row.Length; c++)
            if (row[c] > row[best])
                best = c;
        return best;
    }

    private static ClassSets Fitted(
        IReadOnlyList<int> labels,
        ReadOnlyMemory<float> probabilities,
        int classes,
        double coverage,
        int[] rows
    )
    {
        int free = Math.Max(1, (int)Math.Round(Math.Sqrt(classes)));
        int[] own = [.. rows.Select(i => labels[i])];
        float[] said = [.. rows.SelectMany(i => probabilities.Slice(i * classes, classes).ToArray())];
        double Threshold(ClassSetKind kind, double beyond) =>
            Quantile(Scores(kind, own, said, classes, RapsLambda, free), coverage, beyond);
        return new ClassSets
        {
            Coverage = coverage,
            Lac = Threshold(ClassSetKind.Lac, 2),
            Raps = Threshold(ClassSetKind.Raps, 2 + RapsLambda * classes),
            Lambda = RapsLambda,
            FreeClasses = free,
            Checked = [],
        };
    }

    private static double Score(ClassSetKind kind, float own, double before, int rank, double lambda, int free) =>
        kind == ClassSetKind.Lac ? 1.0 - own : before + lambda * Math.Max(0, rank - free);

    private static int[] Falling(ReadOnlySpan<float> row)
    {
        float[] values = row.ToArray();
        int[] order = [.. Enumerable.Range(0, values.Length)];
        // Stable: of equal ones, the lower index is first.
        return [.. order.OrderByDescending(c => values[c])];
    }
}

/// <summary>How sets did on images that had no part in their threshold.</summary>
/// <param name="Kind">How the sets are made.</param>
/// <param name="Coverage">Share of the sets that hold the true class, in [0, 1].</param>
/// <param name="CoverageInterval">Its exact 95 % interval [low, high].</param>
/// <param name="MeanSize">Classes in a set on average.</param>
/// <param name="LeastClass">The class whose images' sets hold it least often.</param>
/// <param name="LeastCoverage">How often, in [0, 1].</param>
public sealed record SetCheck(
    ClassSetKind Kind,
    double Coverage,
    IReadOnlyList<double> CoverageInterval,
    double MeanSize,
    int LeastClass,
    double LeastCoverage
)
{
    internal static SetCheck Of(ClassSetKind kind, IReadOnlyList<int> labels, bool[] hits, double size, int classes)
    {
        int right = hits.Count(hit => hit);
        (int Class, double Coverage) least = Enumerable
            .Range(0, classes)
            .Where(labels.Contains)
            .Select(c => (c, hits.Where((_, i) => labels[i] == c).Average(hit => hit ? 1.0 : 0)))
            .MinBy(found => found.Item2);
        return new SetCheck(
            kind,
            (double)right / hits.Length,
            Abstention.Pair(ExactBinomial.Both(right, hits.Length)),
            size,
            least.Class,
            least.Coverage
        );
    }
}
