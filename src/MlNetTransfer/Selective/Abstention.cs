using System.Globalization;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Selective;

/// <summary>
/// When a model should say that it is not sure: below a probability at which it would be wrong more often than was
/// asked for. Immutable.
/// </summary>
/// <remarks>
/// <para>
/// The threshold comes from images held out. They are sorted by their highest probability, and it is tested whether the
/// surest of them, at least as many as could show the target without a mistake, then 5 % of all more, and so on, are
/// right in more than the target's share: P(X ≤ mistakes) of Binomial(answered, 1 - target) is at most 0.04. The last
/// step before the first that fails is taken; or, if that is more, the same from half of the images on at 0.01, so that
/// a wrong label among the surest does not end it all. Since the order of the tests does not depend on their outcome,
/// none has to be corrected for the others (fixed-sequence testing; Angelopoulos, Bates, Candès, Jordan and Lei, Learn
/// then test, 2021), unlike in the search of Geifman and El-Yaniv (Selective classification for deep neural networks,
/// 2017), which shares its 5 % among the steps of halving and needs more images.
/// </para>
/// <para>
/// So where the images were held out by the model that is written, the accuracy of its answers to images of the same
/// kind is at least the target, with 95 % confidence over the draw of the images held out. Where they were held out by
/// folds, their probabilities are those of models with fewer training images than the one that is written, and the
/// promise is a measured one, not a proven one.
/// </para>
/// </remarks>
public sealed record Abstention
{
    /// <summary>Confidence of the promise, over the draw of the images held out.</summary>
    public const double Confidence = 0.95;

    private const double Step = 0.05,
        FromSurest = 0.04,
        FromHalf = 0.01;

    /// <summary>The accuracy that was asked for, in (0, 1).</summary>
    public required double TargetAccuracy
    {
        get;
        init => field = Check.InRange(value, 1e-6, 1 - 1e-6, nameof(TargetAccuracy));
    }

    /// <summary>
    /// The model answers where its highest probability is at least this, in [0, 1]; null where these images can promise
    /// the target at no threshold.
    /// </summary>
    public required double? Threshold { get; init; }

    /// <summary>Share of the answered images held out that are right; null without a threshold.</summary>
    public required double? Accuracy { get; init; }

    /// <summary>
    /// Its exact 95 % interval [low, high], of that threshold alone; null without a threshold.
    /// </summary>
    public required IReadOnlyList<double>? AccuracyInterval { get; init; }

    /// <summary>Share of the images held out that are answered; 0 without a threshold.</summary>
    public required double Answered { get; init; }

    /// <summary>Its exact 95 % interval [low, high].</summary>
    public required IReadOnlyList<double> AnsweredInterval { get; init; }

    /// <summary>
    /// Without a threshold: the highest accuracy, in whole per cent, that these images can promise; null where that is
    /// none from 50 % on, and where there is a threshold.
    /// </summary>
    public required double? Reachable { get; init; }

    /// <summary>Whether the model says that it is not sure; null where there is no threshold.</summary>
    /// <param name="probability">Its highest probability.</param>
    public bool? Abstains(float probability) => Threshold is { } threshold ? probability < threshold : null;

    /// <summary>Images that are needed at least to promise an accuracy, all of them right.</summary>
    /// <param name="target">The accuracy, in (0, 1).</param>
    public static int Needed(double target) =>
        (int)Math.Ceiling(Math.Log(FromSurest) / Math.Log(Check.InRange(target, 1e-6, 1 - 1e-6)));

    /// <summary>Finds the threshold.</summary>
    /// <param name="labels">True labels of images held out [images].</param>
    /// <param name="probabilities">Their probabilities [images × classes].</param>
    /// <param name="target">The accuracy to promise, in (0, 1).</param>
    internal static Abstention Of(IReadOnlyList<int> labels, ReadOnlySpan<float> probabilities, double target)
    {
        (float Highest, bool Right)[] rows = Sorted(labels, probabilities);
        if (Cut(rows, target) is not (> 0 and int answered))
            return new Abstention
            {
                TargetAccuracy = target,
                Threshold = null,
                Accuracy = null,
                AccuracyInterval = null,
                Answered = 0,
                AnsweredInterval = Pair(ExactBinomial.Both(0, rows.Length)),
                Reachable = Highest(rows, target),
            };
        int right = rows.Take(answered).Count(row => row.Right);
        return new Abstention
        {
            TargetAccuracy = target,
            Threshold = answered == rows.Length ? 0 : Between(rows[answered].Highest, rows[answered - 1].Highest),
            Accuracy = (double)right / answered,
            AccuracyInterval = Pair(ExactBinomial.Both(right, answered)),
            Answered = (double)answered / rows.Length,
            AnsweredInterval = Pair(ExactBinomial.Both(answered, rows.Length)),
            Reachable = null,
        };
    }

    /// <summary>What it promises, in a sentence.</summary>
    internal string Line(int images, ReliabilityEvidence evidence)
    {
        string target = Percent(TargetAccuracy);
        if (Threshold is not { } threshold)
            return images < Needed(TargetAccuracy)
                ? $"Cannot promise {target} accuracy at any probability: that takes {Needed(TargetAccuracy)} images "
                    + $"held out, there are {images}."
                : $"Cannot promise {target} accuracy at any probability on these {images} images"
                    + (
                        Reachable is { } reachable
                            ? $"; {Percent(reachable)} would be possible (--target-accuracy)."
                            : "."
                    );
        string share = Percent(Answered),
            right = Percent(Accuracy!.Value),
            rest = threshold == 0
                ? ""
                : string.Create(CultureInfo.InvariantCulture, $"; below a probability of {threshold:f2} not sure"),
            sure = evidence == ReliabilityEvidence.HeldOut ? "95 % sure" : "by folds, so measured, not proven";
        return $"Answers {share} of images with at least {target} accuracy ({right} here; {sure}){rest}.";
    }

    private static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:0.#} %");

    private static (float Highest, bool Right)[] Sorted(IReadOnlyList<int> labels, ReadOnlySpan<float> probabilities)
    {
        int classes = labels.Count == 0 ? 0 : probabilities.Length / labels.Count;
        var rows = new (float Highest, bool Right)[labels.Count];
        for (int i = 0; i < rows.Length; i++)
        {
            ReadOnlySpan<float> row = probabilities.Slice(i * classes, classes);
            int best = ClassSets.Likeliest(row);
            rows[i] = (row[best], best == labels[i]);
        }

        return [.. rows.OrderByDescending(row => row.Highest)];
    }

    /// <summary>How many of the surest images are answered; 0 where no test passes.</summary>
    private static int Cut((float Highest, bool Right)[] rows, double target) =>
        Math.Max(
            Cut(rows, target, Needed(target), FromSurest),
            Cut(rows, target, Math.Max(Needed(target), (rows.Length + 1) / 2), FromHalf)
        );

    private static int Cut((float Highest, bool Right)[] rows, double target, int least, double level)
    {
        int taken = 0,
            at = 0,
            mistakes = 0;
        for (int step = 1; step <= (int)Math.Round(1 / Step); step++)
        {
            int wanted = (int)Math.Ceiling(step * Step * rows.Length - 1e-9);
            // Images of one probability are answered together, or not.
            while (at < rows.Length && (at < wanted || rows[at].Highest == rows[at - 1].Highest))
                mistakes += rows[at++].Right ? 0 : 1;
            if (at < least || at == taken)
                continue;
            if (ExactBinomial.AtMost(mistakes, at, 1 - target) > level)
                break;
            taken = at;
        }

        return taken;
    }

    private static double? Highest((float Highest, bool Right)[] rows, double target)
    {
        for (int percent = (int)Math.Ceiling(100 * target) - 1; percent >= 50; percent--)
            if (Cut(rows, percent / 100.0) > 0)
                return percent / 100.0;
        return null;
    }

    // Halfway, so that the last bits of another machine move no image of these across.
    private static double Between(float low, float high) => (low + (double)high) / 2;

    internal static double[] Pair(Interval interval) => [interval.Low, interval.High];
}
