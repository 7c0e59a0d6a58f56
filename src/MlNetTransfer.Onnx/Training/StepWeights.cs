namespace MlNetTransfer.Onnx.Training;

/// <summary>Weights of the rows of a batch.</summary>
internal static class StepWeights
{
    /// <summary>The weights divided by their sum; equal ones where none are given.</summary>
    public static float[] Of(ReadOnlySpan<float> weights, int rows)
    {
        float[] scaled = new float[rows];
        if (weights.IsEmpty)
        {
            Array.Fill(scaled, 1f / rows);
            return scaled;
        }

        if (weights.Length != rows)
            throw new ArgumentException($"{weights.Length} row weights for {rows} rows.", nameof(weights));
        double sum = 0;
        foreach (float weight in weights)
            sum +=
                weight >= 0
                    ? weight
                    : throw new ArgumentException(
                        FormattableString.Invariant($"A row weight is {weight}; it must be 0 or more."),
                        nameof(weights)
                    );
        if (sum is 0 or double.PositiveInfinity)
            throw new ArgumentException(
                FormattableString.Invariant($"The row weights sum to {sum}; the sum must be positive and finite."),
                nameof(weights)
            );
        for (int i = 0; i < rows; i++)
            scaled[i] = (float)(weights[i] / sum);
        return scaled;
    }
}
