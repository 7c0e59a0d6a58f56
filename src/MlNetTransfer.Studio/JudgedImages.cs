using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Reports;

namespace MlNetTransfer.Studio;

/// <summary>An image that a run held out, and what its model said of it.</summary>
/// <param name="File">Name of the image.</param>
/// <param name="Path">The file; null where it is not known any more.</param>
/// <param name="Truth">Its class.</param>
/// <param name="Said">The class that the model gave.</param>
/// <param name="Probability">The probability of that, in [0, 1].</param>
internal sealed record JudgedImage(string File, string? Path, string Truth, string Said, double Probability)
{
    public bool IsRight => Truth == Said;

    /// <summary>The file with its folder: what tells images apart in a gallery.</summary>
    public string ShortName => string.Join('/', File.Split('/', '\\').TakeLast(2));
}

/// <summary>What is left of a run's answers where those that it is not sure of go to a person.</summary>
/// <param name="Answered">Images with a probability of at least the threshold.</param>
/// <param name="Right">Those of them that are right.</param>
/// <param name="Images">All images.</param>
internal sealed record Answers(int Answered, int Right, int Images)
{
    /// <summary>Share that is answered, in [0, 1].</summary>
    public double Coverage => Images == 0 ? 0 : (double)Answered / Images;

    /// <summary>Share of the answers that is right, in [0, 1]; 0 without answers.</summary>
    public double Accuracy => Answered == 0 ? 0 : (double)Right / Answered;

    /// <summary>Its 95 % Wilson interval.</summary>
    public Interval Interval => WilsonInterval.Of(Right, Answered);
}

/// <summary>The images of a run that were held out. Immutable.</summary>
internal sealed class JudgedImages
{
    private JudgedImages(IReadOnlyList<string> classes, IReadOnlyList<JudgedImage> images)
    {
        (Classes, Images) = (classes, images);
        Wrong = images.Count(i => !i.IsRight);
    }

    /// <summary>Names of the classes.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>The mistakes, the surest first, then what is right, the least sure first.</summary>
    public IReadOnlyList<JudgedImage> Images { get; }

    /// <summary>How many are wrong.</summary>
    public int Wrong { get; }

    /// <summary>How many of a class were taken for another, or for itself.</summary>
    public IReadOnlyDictionary<(string Truth, string Said), int> Counts =>
        field ??= Images.GroupBy(i => (i.Truth, i.Said)).ToDictionary(g => g.Key, g => g.Count());

    /// <summary>Classes taken for others, the most frequent first.</summary>
    public IEnumerable<((string Truth, string Said) Pair, int Images)> Mixed =>
        Counts
            .Where(c => c.Key.Truth != c.Key.Said)
            .OrderByDescending(c => c.Value)
            .ThenBy(c => c.Key.Truth, StringComparer.Ordinal)
            .Select(c => (c.Key, c.Value));

    /// <summary>Reads what a run left.</summary>
    /// <exception cref="TransferException">A file of it is missing or not what it should be.</exception>
    public static JudgedImages Load(FinishedRunRow run)
    {
        var read = FinishedRun.Load(run.Folder);
        return new JudgedImages(
            read.Classes,
            [
                .. read
                    .Images.Select(i => Of(i, read.Classes))
                    .OrderBy(i => i.IsRight)
                    .ThenBy(i => i.IsRight ? i.Probability : -i.Probability),
            ]
        );
    }

    /// <summary>What a threshold would give.</summary>
    /// <param name="threshold">Least probability of an answer, in [0, 1].</param>
    public Answers At(double threshold)
    {
        JudgedImage[] answered = [.. Images.Where(i => i.Probability >= threshold)];
        return new Answers(answered.Length, answered.Count(i => i.IsRight), Images.Count);
    }

    private static JudgedImage Of(EvaluatedItem image, IReadOnlyList<string> classes) =>
        new(
            image.File,
            image.Location is FileLocation file ? System.IO.Path.GetFullPath(file.Path) : null,
            image.Truth,
            classes[image.Predicted],
            image.Probabilities.Span[image.Predicted]
        );
}
