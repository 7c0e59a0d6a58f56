namespace MlNetTransfer.Models;

/// <summary>How far a written model file agrees with what was evaluated, on real images.</summary>
/// <param name="Images">Images compared.</param>
/// <param name="MaxDifference">Largest absolute difference of any probability.</param>
/// <param name="MeanDifference">Mean absolute difference of the probabilities.</param>
/// <param name="LabelFlips">Images whose likeliest class differs.</param>
public sealed record ParityRecord(int Images, double MaxDifference, double MeanDifference, int LabelFlips)
{
    /// <summary>
    /// Largest difference at which a file is kept. File and evaluation compute the same sums in float32 in another
    /// order, which moves a feature by about 1e-6 of its size and a probability by about as much; heads with large
    /// weights that nearly cancel, such as a discriminant's, were measured at up to 1e-4. A wrong weight, layout or
    /// preprocessing moves it by far more than this.
    /// </summary>
    public const double Tolerance = 1e-3;

    /// <summary>Whether the file agrees.</summary>
    public bool Agrees => MaxDifference <= Tolerance;

    /// <summary>Compares probabilities of the same images.</summary>
    /// <param name="expected">What was evaluated [images × classes].</param>
    /// <param name="found">What the file gives [images × classes].</param>
    /// <param name="classes">Number of classes.</param>
    public static ParityRecord Of(ReadOnlySpan<float> expected, ReadOnlySpan<float> found, int classes)
    {
        if (expected.Length != found.Length)
            throw new ArgumentException(
                $"{found.Length} probabilities cannot be compared with {expected.Length}.",
                nameof(found)
            );
        double max = 0,
            sum = 0;
        int flips = 0,
            images = expected.Length / classes;
        for (int i = 0; i < expected.Length; i++)
        {
            double difference = Math.Abs((double)expected[i] - found[i]);
            max = Math.Max(max, difference);
            sum += difference;
        }

        for (int i = 0; i < images; i++)
            if (Likeliest(expected.Slice(i * classes, classes)) != Likeliest(found.Slice(i * classes, classes)))
                flips++;
        return new ParityRecord(images, max, expected.Length == 0 ? 0 : sum / expected.Length, flips);
    }

    /// <summary>The index of the largest number; of equal ones, the first.</summary>
    internal static int Likeliest(ReadOnlySpan<float> probabilities)
    {
        int best = 0;
        for (int c = 1; c < probabilities.Length; c++)
            if (probabilities[c] > probabilities[best])
                best = c;
        return best;
    }
}
