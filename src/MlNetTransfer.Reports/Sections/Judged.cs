using MlNetTransfer.Evaluation;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Reports.Sections;

/// <summary>An evaluated image with its classes as numbers.</summary>
/// <param name="Image">The image.</param>
/// <param name="Truth">Its class.</param>
/// <param name="Predicted">The class that the model gives.</param>
/// <param name="Probability">The probability of that.</param>
internal sealed record Judged(EvaluatedItem Image, int Truth, int Predicted, double Probability)
{
    public bool IsRight => Truth == Predicted;

    /// <summary>The probability that the model gave the true class.</summary>
    public double OfTruth => Image.Probabilities.Span[Truth];

    public static IReadOnlyList<Judged> Of(FinishedRun run)
    {
        var index = run
            .Classes.Select((name, i) => (name, i))
            .ToDictionary(c => c.name, c => c.i, StringComparer.Ordinal);
        return
        [
            .. run.Images.Select(image =>
            {
                int predicted = image.Predicted;
                return new Judged(image, index[image.Truth], predicted, image.Probabilities.Span[predicted]);
            }),
        ];
    }
}

/// <summary>A class taken for another, and how often.</summary>
/// <param name="Truth">The class.</param>
/// <param name="Predicted">What it was taken for.</param>
/// <param name="Images">How many of its images.</param>
/// <param name="Of">Evaluated images of the class.</param>
internal sealed record Mixed(int Truth, int Predicted, int Images, int Of)
{
    /// <summary>The classes that are mixed up, those with the most images first.</summary>
    public static IReadOnlyList<Mixed> Pairs(RunDocument run) =>
        [
            .. run
                .Confusion.SelectMany(
                    (row, truth) =>
                        row.Select(
                                (images, predicted) => new Mixed(truth, predicted, images, run.PerClass[truth].Support)
                            )
                            .Where(pair => pair.Images > 0 && pair.Predicted != truth)
                )
                .OrderByDescending(pair => pair.Images)
                .ThenByDescending(pair => (double)pair.Images / pair.Of),
        ];
}

/// <summary>What a class was found at, with what its number of images lets one say.</summary>
internal static class ClassIntervals
{
    /// <summary>The 95 % Wilson interval of a class's recall.</summary>
    public static Interval Recall(ClassScore score) =>
        WilsonInterval.Of((int)Math.Round(score.Recall * score.Support), score.Support);
}
