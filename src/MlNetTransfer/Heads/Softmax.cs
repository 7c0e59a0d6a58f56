namespace MlNetTransfer.Heads;

/// <summary>The softmax of one row of logits.</summary>
internal static class Softmax
{
    /// <summary>exp(z - max) / Σ exp(z - max), summed in double.</summary>
    public static void InPlace(Span<float> logits)
    {
        float max = float.NegativeInfinity;
        foreach (float logit in logits)
            max = MathF.Max(max, logit);
        double sum = 0;
        for (int c = 0; c < logits.Length; c++)
            sum += logits[c] = MathF.Exp(logits[c] - max);
        float scale = (float)(1 / sum);
        for (int c = 0; c < logits.Length; c++)
            logits[c] *= scale;
    }
}
