namespace MlNetTransfer.Heads;

/// <summary>Predictions of rows by heads that were fitted without them. Immutable.</summary>
public sealed class OutOfFoldPredictions
{
    /// <summary>
    /// The logit of a class that the head did not know: its exponential is 0, and it stays finite when scaled.
    /// </summary>
    internal const float Unknown = -1e30f;

    private readonly int[] rows,
        labels;
    private readonly float[] logits;

    internal OutOfFoldPredictions(int[] rows, int[] labels, float[] logits, int classes)
    {
        (this.rows, this.labels, this.logits) = (rows, labels, logits);
        Classes = classes;
    }

    /// <summary>The rows that were held out, ascending [held out].</summary>
    public IReadOnlyList<int> Rows => Array.AsReadOnly(rows);

    /// <summary>Their true labels [held out].</summary>
    public IReadOnlyList<int> Labels => Array.AsReadOnly(labels);

    /// <summary>Number of classes.</summary>
    public int Classes { get; }

    /// <summary>Logits [held out × classes], row-major.</summary>
    public ReadOnlyMemory<float> Logits => logits;

    /// <summary>softmax(logits / temperature) [held out × classes], row-major; each row sums to 1.</summary>
    /// <param name="temperature">Above 0; 1 gives the heads' own probabilities.</param>
    public float[] Probabilities(double temperature = 1)
    {
        Check.InRange(temperature, TemperatureCalibration.Lowest, TemperatureCalibration.Highest, nameof(temperature));
        float[] probabilities = Array.ConvertAll(logits, logit => (float)(logit / temperature));
        for (int i = 0; i < rows.Length; i++)
            Softmax.InPlace(probabilities.AsSpan(i * Classes, Classes));
        return probabilities;
    }

    /// <summary>Rows whose own class the head knew: the only ones that tell how sure it should be.</summary>
    internal HeldOutLogits Judged()
    {
        var judged = new HeldOutLogits(Classes);
        for (int i = 0; i < rows.Length; i++)
            if (logits[i * Classes + labels[i]] > Unknown)
                judged.Add(logits.AsSpan(i * Classes, Classes), labels[i], 1);
        return judged;
    }
}
