using MlNetTransfer.Features;
using MlNetTransfer.Numerics;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Heads;

/// <summary>
/// A head that is linear in the features: probabilities = softmax(W·x + b). Immutable. Derived heads add how they were
/// fitted, never how they predict.
/// </summary>
public class LinearHead : ILinearHead
{
    private readonly float[] weights,
        bias;

    internal LinearHead(IReadOnlyList<string> classNames, int width, float[] weights, float[] bias)
    {
        (ClassNames, Width) = (classNames, width);
        (this.weights, this.bias) = (weights, bias);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames { get; }

    /// <inheritdoc/>
    public int Width { get; }

    /// <inheritdoc/>
    public ReadOnlyMemory<float> Weights => weights;

    /// <inheritdoc/>
    public ReadOnlyMemory<float> Bias => bias;

    /// <inheritdoc/>
    public void Logits(ReadOnlySpan<float> rows, Span<float> logits) => HeadRows.ForEach(this, rows, logits, Row);

    /// <inheritdoc/>
    public void Predict(ReadOnlySpan<float> rows, Span<float> probabilities) =>
        HeadRows.Predict(this, rows, probabilities, Row);

    /// <inheritdoc/>
    public float[] Predict(FeatureTable table) => HeadRows.Predict(this, table);

    /// <inheritdoc/>
    public string AddTo(HeadGraph graph)
    {
        string w = graph.Floats("head.weight", weights, ClassNames.Count, Width),
            b = graph.Floats("head.bias", bias, ClassNames.Count);
        return graph.Node("Gemm", "logits", [graph.Features, w, b], Attributes.Of("transB", 1));
    }

    private void Row(ReadOnlySpan<float> row, Span<float> logits)
    {
        for (int c = 0; c < bias.Length; c++)
            logits[c] = bias[c] + Simd.Dot(weights.AsSpan(c * Width, Width), row);
    }
}
