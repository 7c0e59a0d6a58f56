using System.Globalization;
using MlNetTransfer.Features;

namespace MlNetTransfer.Selective;

/// <summary>What the images are that a promise rests on.</summary>
public enum ReliabilityEvidence
{
    /// <summary>Images that the written model was not trained on.</summary>
    HeldOut,

    /// <summary>All images, each judged by a model of the cross-validation that was not trained on it.</summary>
    Folds,
}

/// <summary>
/// What a model says beside its probabilities: when it is not sure, which classes come into question, which images are
/// unlike any it knows. Stored in the model file. Immutable.
/// </summary>
public sealed record Reliability
{
    /// <summary>What the figures rest on.</summary>
    public required ReliabilityEvidence Evidence { get; init; }

    /// <summary>Number of those images.</summary>
    public required int Images { get; init; }

    /// <summary>When it should say that it is not sure; null where no image was held out.</summary>
    public required Abstention? Abstention { get; init; }

    /// <summary>Sets of classes; null where no image was held out.</summary>
    public required ClassSets? Sets { get; init; }

    /// <summary>Images unlike any that it knows; null where the model does not score that.</summary>
    public required UnknownImages? Unknown { get; init; }

    /// <summary>What it promises, in a sentence each.</summary>
    public IReadOnlyList<string> Lines()
    {
        List<string> lines = [];
        if (Abstention is { } abstention)
            lines.Add(abstention.Line(Images, Evidence));
        if (Sets is { } sets)
            lines.Add(sets.Line(Evidence));
        lines.Add(
            Unknown is { } unknown
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $"Says when an image is unlike all training images; {100 * unknown.Kept:f0} % of images of the "
                        + $"known classes are not taken for that."
                )
                : "Does not say whether an image is unlike all training images: that takes four images at least that "
                    + "training has not seen and that differ from one another, and is left out by --no-unknown."
        );
        return lines;
    }

    /// <summary>What is to be said of a row of probabilities.</summary>
    /// <param name="probabilities">Probabilities [classes].</param>
    /// <param name="unknown">The graph's score of the same image; null where it gives none.</param>
    /// <param name="sets">How the set of classes is made.</param>
    public ReliabilityVerdict Judge(ReadOnlySpan<float> probabilities, float? unknown, ClassSetKind sets) =>
        new(
            Abstention?.Abstains(probabilities[ClassSets.Likeliest(probabilities)]),
            Sets?.Of(probabilities, sets),
            Unknown is null ? null : unknown,
            Unknown is null || unknown is not { } score ? null : score > 1
        );
}

/// <summary>What a model says of one image beside its probabilities.</summary>
/// <param name="Abstains">Whether it is not sure; null where it cannot say.</param>
/// <param name="Set">The classes that come into question, likeliest first; null where it cannot say.</param>
/// <param name="Unknown">How unlike any training image it is, at least 0; null where it does not score that.</param>
/// <param name="IsUnknown">Whether that is above 1, the threshold; null where it does not score that.</param>
public readonly record struct ReliabilityVerdict(
    bool? Abstains,
    IReadOnlyList<int>? Set,
    float? Unknown,
    bool? IsUnknown
);

/// <summary>
/// Images unlike any that a model knows: its graph has an output "unknown", float32 [N], that is above 1 for them.
/// </summary>
/// <param name="Kept">Share of images of the known classes whose score is at most 1, in (0, 1): the threshold is the
/// ⌈(n + 1)·share⌉-th smallest score of the images that were scored.</param>
/// <param name="Images">Images that the threshold rests on, each scored without itself among the training
/// images.</param>
/// <param name="Compared">Training images that an image is compared with.</param>
public sealed record UnknownImages(double Kept, int Images, int Compared)
{
    /// <summary>What is kept where there are images enough: 19 of 20.</summary>
    public const double DefaultKept = 0.95;

    private const int Least = 4;

    // 1 less a cosine near 1 is good to about 1e-6 in float32; at this threshold that is a thousandth of it. Below it
    // the images are too alike for the score.
    private const double Same = 1e-3;

    /// <summary>Fits the score, and its threshold to rows held out.</summary>
    /// <param name="train">Features of the rows that the written model is trained on.</param>
    /// <param name="scores">Scores of rows held out, by the features of a fit that had not seen them.</param>
    /// <returns>The score, 1 at its threshold; null where there are fewer than four rows to set it by, or the rows held
    /// out are all training rows again.</returns>
    internal static (UnknownScore Score, UnknownImages Facts)? Fit(FeatureTable train, IReadOnlyList<double> scores)
    {
        if (scores.Count < Least)
            return null;
        // The largest of n is above the next one with probability n / (n + 1): no more can be promised.
        double kept = Math.Min(DefaultKept, scores.Count / (scores.Count + 1.0)),
            threshold = ClassSets.Quantile([.. scores], kept, double.PositiveInfinity);
        if (!(threshold > Same))
            return null;
        var score = UnknownScore.Of(train);
        return (score.Scaled(threshold), new UnknownImages(kept, scores.Count, score.Rows));
    }
}
