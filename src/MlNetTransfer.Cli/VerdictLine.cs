using System.Globalization;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Cli;

/// <summary>An evaluation in two plain sentences: how good, compared with guessing, and what to do next.</summary>
internal static class VerdictLine
{
    /// <param name="summary">The figures.</param>
    /// <param name="images">What they are of: "images it has not seen".</param>
    public static string Of(EvaluationFigures summary, string images)
    {
        string guessing =
            $"guessing the most common class gets {Percent(summary.MajorityShare)} %, chance "
            + $"{Percent(summary.Chance)} %";
        string better =
            summary.AccuracyInterval[0] <= summary.MajorityShare
                ? " That is not shown to be better than guessing."
                : "";
        return $"{Right(summary)} right on {images}; {guessing}.{better} {Advice(summary)}";
    }

    /// <summary>"77 % ± 7", or both ends of the interval where they are not equally far.</summary>
    public static string Right(EvaluationFigures summary)
    {
        double below = summary.Accuracy - summary.AccuracyInterval[0],
            above = summary.AccuracyInterval[1] - summary.Accuracy;
        return Math.Abs(above - below) <= 0.02 && summary.AccuracyInterval is [> 0, < 1]
            ? FormattableString.Invariant(
                $"{Percent(summary.Accuracy)} % ± {Math.Max(1, Math.Round(50 * (above + below))):f0}"
            )
            : $"{Percent(summary.Accuracy)} % ({Percent(summary.AccuracyInterval[0])} to "
                + $"{Percent(summary.AccuracyInterval[1])})";
    }

    private static string Advice(EvaluationFigures summary)
    {
        ClassScore[] judged = [.. summary.PerClass.Where(c => c.Support > 0)];
        ClassScore weakest = judged.MinBy(c => c.Recall)!;
        if (weakest.Recall >= 1)
            return "No image was taken for another class.";
        int truth = summary.PerClass.ToList().IndexOf(weakest);
        IReadOnlyList<int> row = summary.Confusion[truth];
        int wrong = Enumerable.Range(0, row.Count).Where(c => c != truth).MaxBy(c => row[c]);
        return $"Weakest: {weakest.Name} ({Percent(weakest.Recall)} %); most often taken for "
            + $"{summary.PerClass[wrong].Name}. "
            + $"Add images of {weakest.Name}, or look at those confused.";
    }

    /// <summary>Whole percents, but for what would look like all or nothing and is not.</summary>
    private static string Percent(double share) =>
        Math.Round(100 * share, share is (> 0 and < 0.005) or (< 1 and >= 0.995) ? 1 : 0, MidpointRounding.AwayFromZero)
            .ToString(CultureInfo.InvariantCulture);
}
