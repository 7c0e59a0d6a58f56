using System.Globalization;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Selective;

/// <summary>What became of a model's promises on labelled images that it has not seen.</summary>
/// <param name="Images">The images.</param>
/// <param name="Answered">Share that is answered; null where the model has no threshold.</param>
/// <param name="Accuracy">Share of the answers that is right; null without a threshold or an answer.</param>
/// <param name="AccuracyInterval">Its exact 95 % interval [low, high]; null as before.</param>
/// <param name="Sets">What the sets held, LAC, then RAPS; empty where the model has none.</param>
/// <param name="Unknown">Share taken for unlike any training image; null where the model does not score that.</param>
public sealed record ReliabilityCheck(
    int Images,
    double? Answered,
    double? Accuracy,
    IReadOnlyList<double>? AccuracyInterval,
    IReadOnlyList<SetCheck> Sets,
    double? Unknown
)
{
    /// <summary>What was found, in a sentence each.</summary>
    /// <param name="promised">What the model file promises.</param>
    public IReadOnlyList<string> Lines(Reliability promised)
    {
        ArgumentNullException.ThrowIfNull(promised);
        List<string> lines = [];
        if (Answered is { } answered && promised.Abstention is { } abstention)
            lines.Add(
                string.Create(CultureInfo.InvariantCulture, $"Answers {100 * answered:0.#} % of these images")
                    + (
                        Accuracy is { } accuracy
                            ? string.Create(
                                CultureInfo.InvariantCulture,
                                $", {100 * accuracy:0.#} % of them rightly ({100 * AccuracyInterval![0]:0.#} to "
                                    + $"{100 * AccuracyInterval[1]:0.#} %); {100 * abstention.TargetAccuracy:0.#} % "
                                    + $"was promised."
                            )
                            : "."
                    )
            );
        if (Sets is [var sets, ..] && promised.Sets is { } given)
            lines.Add(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Its sets, {sets.MeanSize:0.0#} classes on average, hold the true one on "
                        + $"{100 * sets.Coverage:0.#} % ({100 * sets.CoverageInterval[0]:0.#} to "
                        + $"{100 * sets.CoverageInterval[1]:0.#} %); "
                        + $"{100 * given.Coverage:0.#} % was promised."
                )
            );
        if (Unknown is { } unknown)
            lines.Add(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{100 * unknown:0.#} % are unlike any training image by its own score."
                )
            );
        return lines;
    }

    /// <summary>Judges what a model says of images.</summary>
    /// <param name="promised">What the model file promises.</param>
    /// <param name="labels">True labels [images]; at least one.</param>
    /// <param name="probabilities">Probabilities [images × classes].</param>
    /// <param name="unknown">Scores of unknown images [images]; empty where there are none.</param>
    internal static ReliabilityCheck Of(
        Reliability promised,
        IReadOnlyList<int> labels,
        ReadOnlyMemory<float> probabilities,
        IReadOnlyList<float> unknown
    )
    {
        int classes = probabilities.Length / labels.Count;
        ReadOnlySpan<float> Row(int i) => probabilities.Span.Slice(i * classes, classes);
        int[] all = [.. Enumerable.Range(0, labels.Count)];
        int[]? answered = promised.Abstention?.Threshold is { } threshold
            ? [.. all.Where(i => Row(i)[ClassSets.Likeliest(Row(i))] >= threshold)]
            : null;
        int right = answered?.Count(i => ClassSets.Likeliest(Row(i)) == labels[i]) ?? 0;
        bool some = answered is { Length: > 0 };
        return new ReliabilityCheck(
            labels.Count,
            answered is null ? null : (double)answered.Length / labels.Count,
            some ? (double)right / answered!.Length : null,
            some ? Abstention.Pair(ExactBinomial.Both(right, answered!.Length)) : null,
            promised.Sets is not null ? [.. Enum.GetValues<ClassSetKind>().Select(Judged)] : [],
            promised.Unknown is null || unknown.Count == 0 ? null : unknown.Average(score => score > 1 ? 1.0 : 0)
        );

        SetCheck Judged(ClassSetKind kind)
        {
            int[][] found = [.. all.Select(i => promised.Sets!.Of(Row(i), kind))];
            return SetCheck.Of(
                kind,
                labels,
                [.. all.Select(i => found[i].Contains(labels[i]))],
                found.Average(set => set.Length),
                classes
            );
        }
    }
}
