namespace MlNetTransfer.Heads;

/// <summary>Logits of other classes as combinations of those of some: z' = A·z + b.</summary>
/// <param name="ClassNames">The other classes [new].</param>
/// <param name="Factors">A [new][old].</param>
/// <param name="Shift">b [new].</param>
internal sealed record LogitMap(IReadOnlyList<string> ClassNames, double[][] Factors, double[] Shift)
{
    /// <summary>A·W of weights [old × width].</summary>
    public float[] OfWeights(float[] weights)
    {
        int width = weights.Length / Factors[0].Length;
        var mapped = new float[Factors.Length * width];
        for (int c = 0; c < Factors.Length; c++)
        for (int i = 0; i < width; i++)
        {
            double sum = 0;
            for (int old = 0; old < Factors[c].Length; old++)
                sum += Factors[c][old] * weights[old * width + i];
            mapped[c * width + i] = (float)sum;
        }

        return mapped;
    }

    /// <summary>A·z + b.</summary>
    public float[] OfBias(ReadOnlySpan<float> bias)
    {
        var mapped = new float[Factors.Length];
        for (int c = 0; c < mapped.Length; c++)
        {
            double sum = Shift[c];
            for (int old = 0; old < bias.Length; old++)
                sum += Factors[c][old] * bias[old];
            mapped[c] = (float)sum;
        }

        return mapped;
    }
}
