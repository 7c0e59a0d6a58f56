namespace MlNetTransfer.Checks;

/// <summary>Finds labels that contradict what is predicted of their images by heads that have not seen them.</summary>
/// <remarks>
/// Northcutt, Jiang, Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, 2021. The threshold of a
/// class is the mean probability of that class over the rows labelled with it. A row is counted to the class with the
/// highest probability among those whose threshold it reaches. Rows counted to another class than their own, the
/// confident joint's off-diagonal, are the candidates; the lower the probability of their own class, the surer.
/// </remarks>
internal static class ConfidentLearning
{
    /// <summary>
    /// Share of wrong labels that is expected before an image is looked at. Data sets that are used as benchmarks have
    /// 3 % (Northcutt, Athalye, Mueller, 2021); what people sort by hand has more.
    /// </summary>
    public const double ExpectedErrors = 0.1;

    /// <summary>The class that each row is counted to [rows]; -1 where it reaches no threshold.</summary>
    /// <param name="probabilities">Out-of-fold probabilities [rows × classes].</param>
    /// <param name="labels">Labels [rows].</param>
    /// <param name="classes">Number of classes.</param>
    public static int[] Counted(ReadOnlySpan<float> probabilities, IReadOnlyList<int> labels, int classes)
    {
        double[] thresholds = Thresholds(probabilities, labels, classes);
        var counted = new int[labels.Count];
        for (int row = 0; row < counted.Length; row++)
        {
            ReadOnlySpan<float> own = probabilities.Slice(row * classes, classes);
            counted[row] = -1;
            for (int c = 0; c < classes; c++)
                if (own[c] >= thresholds[c] && (counted[row] < 0 || own[c] > own[counted[row]]))
                    counted[row] = c;
        }

        return counted;
    }

    /// <summary>Probability that a label is wrong.</summary>
    /// <remarks>
    /// Bayes' rule, with <see cref="ExpectedErrors"/> of the labels wrong and each other class equally likely to be
    /// written instead: p is the probability of the label's class, (1 - p) · e/(classes - 1) over that plus p · (1 -
    /// e).
    /// </remarks>
    /// <param name="own">Probability of its own class, calibrated.</param>
    /// <param name="classes">Number of classes, at least 2.</param>
    public static double IsWrong(double own, int classes)
    {
        double wrong = (1 - own) * ExpectedErrors / (classes - 1);
        return wrong / (wrong + own * (1 - ExpectedErrors));
    }

    /// <summary>Mean probability of each class over its rows [classes]; infinite for a class without rows.</summary>
    private static double[] Thresholds(ReadOnlySpan<float> probabilities, IReadOnlyList<int> labels, int classes)
    {
        var sums = new double[classes];
        var counts = new int[classes];
        for (int row = 0; row < labels.Count; row++)
        {
            sums[labels[row]] += probabilities[row * classes + labels[row]];
            counts[labels[row]]++;
        }

        return [.. sums.Select((sum, c) => counts[c] > 0 ? sum / counts[c] : double.PositiveInfinity)];
    }
}
