using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>
/// Targets [N, C] and row weights [N] of batches: label smoothing and class weights, made on the host.
/// </summary>
internal sealed class SoftTargets
{
    private readonly int[] labels;
    private readonly int classes;
    private readonly float[] weights;
    private readonly double smoothing;

    /// <param name="labels">Labels of all rows.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="train">The rows that are trained on.</param>
    /// <param name="classWeights">How much a row of each class counts.</param>
    /// <param name="smoothing">Share of a target that is spread over all classes.</param>
    public SoftTargets(int[] labels, int classes, IReadOnlyList<int> train, ClassWeights classWeights, double smoothing)
    {
        (this.labels, this.classes, this.smoothing) = (labels, classes, smoothing);
        weights = new float[classes];
        Array.Fill(weights, 1f);
        if (classWeights == ClassWeights.None)
            return;
        int[] counts = new int[classes];
        foreach (int row in train)
            counts[labels[row]]++;
        for (int c = 0; c < classes; c++)
            weights[c] = counts[c] == 0 ? 0 : (float)((double)train.Count / (classes * counts[c]));
    }

    /// <summary>Targets of a batch: 1 - s on the true class, and s / C on each.</summary>
    public float[] Of(ReadOnlySpan<int> rows)
    {
        float[] targets = new float[rows.Length * classes];
        Array.Fill(targets, (float)(smoothing / classes));
        for (int i = 0; i < rows.Length; i++)
            targets[i * classes + labels[rows[i]]] += (float)(1 - smoothing);
        return targets;
    }

    /// <summary>Weights of a batch's rows.</summary>
    public float[] Weights(ReadOnlySpan<int> rows)
    {
        float[] found = new float[rows.Length];
        for (int i = 0; i < rows.Length; i++)
            found[i] = weights[labels[rows[i]]];
        return found;
    }
}
