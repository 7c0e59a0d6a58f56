using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>softmax(W·x + b): the prediction of every linear head.</summary>
internal sealed class LinearForm(float[] weights, float[] bias, int width)
{
    public ReadOnlyMemory<float> Weights => weights;

    public ReadOnlyMemory<float> Bias => bias;

    public void Predict(ReadOnlySpan<float> row, Span<float> probabilities)
    {
        for (int c = 0; c < bias.Length; c++) probabilities[c] = bias[c] + Simd.Dot(weights.AsSpan(c * width, width), row);
        Softmax.InPlace(probabilities);
    }
}
