using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>Whether every class gets a threshold of its own.</summary>
public enum ClassThresholds
{
    /// <summary>The likeliest class is the answer.</summary>
    None,

    /// <summary>
    /// Each class's logit is moved by a number chosen so that the macro F1 of training rows held out is highest: for
    /// classes of very different size.
    /// </summary>
    MacroF1,
}

/// <summary>
/// Chooses what to add to each class's logit so that the macro F1 of rows held out is highest (threshold moving; Lipton
/// et al., Optimal Thresholding of Classifiers to Maximize F1 Measure, 2014).
/// </summary>
/// <remarks>
/// <para>First one number for all: -τ·ln(share of the class), τ of 0 to 1.5 (Menon et al., Long-tail learning via logit
/// adjustment, 2021), which a few rows can choose. Then, for classes with at least 30 rows held out, a number of their
/// own.</para>
/// <para>Coordinate ascent: with the other classes as they are, a row is of class c if its number is above the row's
/// margin, so that every F1 that c can have is met by one pass over the sorted margins. Of equal ones the number
/// nearest to 0, halfway between two margins; a class's number stays as it is unless it gains. O(sweeps · classes ·
/// rows · (classes + log rows)).</para>
/// </remarks>
internal static class ThresholdSearch
{
    private const int MostSweeps = 10,
        LeastRows = 30;

    // A class moved further is lost to the others, or takes all of them.
    private const double Furthest = 5;

    /// <summary>What to add to each class's logit [classes].</summary>
    /// <param name="probabilities">Of rows held out [rows × classes].</param>
    /// <param name="labels">Their true labels [rows].</param>
    /// <param name="classes">Number of classes.</param>
    public static double[] Offsets(ReadOnlySpan<float> probabilities, IReadOnlyList<int> labels, int classes)
    {
        var logits = new double[labels.Count][];
        for (int i = 0; i < logits.Length; i++)
        {
            logits[i] = new double[classes];
            for (int c = 0; c < classes; c++)
                logits[i][c] = Math.Log(Math.Max(probabilities[i * classes + c], 1e-30));
        }

        int[] support = [.. Enumerable.Range(0, classes).Select(c => labels.Count(label => label == c))];
        (double best, double[] offsets) = Adjusted(logits, labels, support);
        for (int sweep = 0; sweep < MostSweeps; sweep++)
        {
            double before = best;
            for (int c = 0; c < classes; c++)
            {
                if (support[c] < LeastRows)
                    continue;
                (double f1, double offset) = Along(logits, labels, offsets, c);
                if (f1 > best + 1e-12)
                    (best, offsets[c]) = (f1, offset);
            }

            if (best == before)
                break;
        }

        return offsets;
    }

    private static (double F1, double[] Offsets) Adjusted(double[][] logits, IReadOnlyList<int> labels, int[] support)
    {
        (double F1, double[] Offsets) best = (-1, []);
        for (int tenth = 0; tenth <= 15; tenth++)
        {
            double tau = tenth / 10.0;
            double[] offsets =
            [
                .. support.Select(count => tenth == 0 ? 0 : -tau * Math.Log((double)Math.Max(1, count) / labels.Count)),
            ];
            double f1 = MacroF1(logits, labels, offsets);
            if (f1 > best.F1 + 1e-12)
                best = (f1, offsets);
        }

        return best;
    }

    /// <summary>Mean F1 of all classes, each row being of the class with the highest logit + offset.</summary>
    public static double MacroF1(double[][] logits, IReadOnlyList<int> labels, double[] offsets)
    {
        var counts = new Counts(labels, offsets.Length);
        for (int i = 0; i < logits.Length; i++)
            counts.Predict(labels[i], Highest(logits[i], offsets, -1).Class);
        return counts.MacroF1;
    }

    /// <summary>The head with the numbers added to its logits.</summary>
    public static IHead Apply(IHead head, double[] offsets)
    {
        if (offsets.All(offset => offset == 0))
            return head;
        float[] added = Array.ConvertAll(offsets, offset => (float)offset);
        return head is ILinearHead linear
            ? new LinearHead(
                head.ClassNames,
                head.Width,
                linear.Weights.ToArray(),
                [.. linear.Bias.ToArray().Zip(added, (bias, offset) => bias + offset)]
            )
            : new ThresholdedHead(head, added);
    }

    // The best F1 along the offset of one class, and where.
    private static (double F1, double Offset) Along(
        double[][] logits,
        IReadOnlyList<int> labels,
        double[] offsets,
        int moved
    )
    {
        (int Class, double Value)[] others = [.. logits.Select(row => Highest(row, offsets, moved))];
        double[] margins = [.. others.Select((other, i) => other.Value - logits[i][moved])];
        int[] order = [.. Enumerable.Range(0, margins.Length).OrderBy(i => margins[i])];
        var counts = new Counts(labels, offsets.Length);
        for (int i = 0; i < others.Length; i++)
            counts.Predict(labels[i], others[i].Class);
        (double F1, double Offset) best = (double.NegativeInfinity, 0);
        for (int taken = 0; taken <= order.Length; taken++)
        {
            double low = taken == 0 ? -Furthest : margins[order[taken - 1]],
                high = taken == order.Length ? Furthest : margins[order[taken]],
                offset = 0 > low && 0 < high ? 0 : (low + high) / 2,
                f1 = counts.MacroF1;
            bool apart = low < high && Math.Abs(offset) <= Furthest;
            if (apart && (f1 > best.F1 + 1e-12 || f1 > best.F1 - 1e-12 && Math.Abs(offset) < Math.Abs(best.Offset)))
                best = (f1, offset);
            if (taken == order.Length)
                break;
            int row = order[taken];
            counts.Move(labels[row], others[row].Class, moved);
        }

        return best;
    }

    private static (int Class, double Value) Highest(double[] row, double[] offsets, int except)
    {
        (int Class, double Value) best = (-1, double.NegativeInfinity);
        for (int c = 0; c < row.Length; c++)
            if (c != except && row[c] + offsets[c] > best.Value)
                best = (c, row[c] + offsets[c]);
        return best;
    }

    /// <summary>Hits, predictions and rows of each class.</summary>
    private sealed class Counts
    {
        private readonly int[] hits,
            predicted,
            support;

        public Counts(IReadOnlyList<int> labels, int classes)
        {
            (hits, predicted, support) = (new int[classes], new int[classes], new int[classes]);
            foreach (int label in labels)
                support[label]++;
        }

        public double MacroF1 =>
            Enumerable
                .Range(0, hits.Length)
                .Average(c => predicted[c] + support[c] == 0 ? 0 : 2.0 * hits[c] / (predicted[c] + support[c]));

        public void Predict(int label, int c)
        {
            predicted[c]++;
            if (label == c)
                hits[c]++;
        }

        public void Move(int label, int from, int to)
        {
            predicted[from]--;
            if (label == from)
                hits[from]--;
            Predict(label, to);
        }
    }
}

/// <summary>Another head with a number added to each class's logit. Immutable.</summary>
public sealed class ThresholdedHead : IHead
{
    private readonly float[] offsets;

    internal ThresholdedHead(IHead inner, float[] offsets) => (Inner, this.offsets) = (inner, offsets);

    /// <summary>The head without thresholds.</summary>
    public IHead Inner { get; }

    /// <summary>What is added to each logit [classes].</summary>
    public ReadOnlyMemory<float> Offsets => offsets;

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames => Inner.ClassNames;

    /// <inheritdoc/>
    public int Width => Inner.Width;

    /// <inheritdoc/>
    public void Logits(ReadOnlySpan<float> rows, Span<float> logits)
    {
        Inner.Logits(rows, logits);
        for (int i = 0; i < logits.Length; i++)
            logits[i] += offsets[i % offsets.Length];
    }

    /// <inheritdoc/>
    public void Predict(ReadOnlySpan<float> rows, Span<float> probabilities)
    {
        Logits(rows, probabilities);
        for (int i = 0; i < probabilities.Length; i += offsets.Length)
            Softmax.InPlace(probabilities.Slice(i, offsets.Length));
    }

    /// <inheritdoc/>
    public float[] Predict(FeatureTable table) => HeadRows.Predict(this, table);

    /// <inheritdoc/>
    public string AddTo(HeadGraph graph) =>
        graph.Node("Add", "moved", [Inner.AddTo(graph), graph.Floats("head.offsets", offsets, offsets.Length)]);
}
