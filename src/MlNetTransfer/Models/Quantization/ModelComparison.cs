using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Models.Quantization;

/// <summary>What two models make of the same labelled images.</summary>
internal sealed class ModelComparison
{
    /// <summary>One-sided 5 % point of the standard normal distribution.</summary>
    private const double Significant = 1.6448536269514722;

    /// <param name="classNames">The classes.</param>
    /// <param name="labels">True labels [rows].</param>
    /// <param name="first">Probabilities of float32 [rows × classes].</param>
    /// <param name="second">Probabilities of int8 [rows × classes].</param>
    /// <param name="maxLoss">The most that may be lost, as a share.</param>
    public ModelComparison(
        IReadOnlyList<string> classNames,
        int[] labels,
        float[] first,
        float[] second,
        double maxLoss
    )
    {
        int classes = classNames.Count;
        int[] a = Likeliest(first, classes),
            b = Likeliest(second, classes);
        bool[] right = [.. labels.Zip(a, (l, p) => l == p)],
            rightToo = [.. labels.Zip(b, (l, p) => l == p)];
        Difference = PairedDifference.Of(right, rightToo);
        LabelFlips = a.Zip(b).Count(p => p.First != p.Second);
        FloatAccuracy = right.Count(r => r) / (double)labels.Length;
        Int8Accuracy = rightToo.Count(r => r) / (double)labels.Length;
        MeanProbabilityDifference = first.Zip(second, (p, q) => (double)Math.Abs(p - q)).Average();
        AccuracyBeyondBound = IsBeyond(Difference, maxLoss);
        Classes =
        [
            .. classNames.Select(
                (name, label) =>
                {
                    int[] rows = [.. Enumerable.Range(0, labels.Length).Where(i => labels[i] == label)];
                    PairedDifference change = PairedDifference.Of(
                        [.. rows.Select(r => right[r])],
                        [.. rows.Select(r => rightToo[r])]
                    );
                    return new ClassChange(
                        name,
                        rows.Length,
                        Share(rows, right),
                        Share(rows, rightToo),
                        change.Gained,
                        change.Lost,
                        IsBeyond(change, maxLoss)
                    );
                }
            ),
        ];
    }

    public PairedDifference Difference { get; }

    public int LabelFlips { get; }

    public double FloatAccuracy { get; }

    public double Int8Accuracy { get; }

    public double MeanProbabilityDifference { get; }

    public bool AccuracyBeyondBound { get; }

    public IReadOnlyList<ClassChange> Classes { get; }

    public bool BeyondBound => AccuracyBeyondBound || Classes.Any(c => c.BeyondBound);

    /// <summary>The losses beyond the bound, for messages.</summary>
    public string Losses() =>
        string.Join(
            "; ",
            Classes
                .Where(c => c.BeyondBound)
                .Select(c =>
                    string.Create(
                        System.Globalization.CultureInfo.InvariantCulture,
                        $"class '{c.Name}' {100 * c.FloatRecall:f1} % to {100 * c.Int8Recall:f1} % ({c.Lost} lost, "
                            + $"{c.Gained} gained of {c.Images})"
                    )
                )
                .Concat(
                    AccuracyBeyondBound
                        ?
                        [
                            string.Create(
                                System.Globalization.CultureInfo.InvariantCulture,
                                $"accuracy {100 * FloatAccuracy:f1} % to {100 * Int8Accuracy:f1} % "
                                    + $"({Difference.Lost} lost, {Difference.Gained} gained of {Difference.Rows})"
                            ),
                        ]
                        : []
                )
        );

    private static bool IsBeyond(PairedDifference difference, double maxLoss) =>
        difference.Value < -maxLoss && difference.Score(-maxLoss) < -Significant;

    private static double Share(int[] rows, bool[] right) =>
        rows.Length == 0 ? 0 : rows.Count(r => right[r]) / (double)rows.Length;

    private static int[] Likeliest(float[] probabilities, int classes) =>
        [
            .. Enumerable
                .Range(0, probabilities.Length / classes)
                .Select(row => Enumerable.Range(0, classes).MaxBy(c => probabilities[row * classes + c])),
        ];
}
