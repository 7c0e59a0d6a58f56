using MlNetTransfer.Features;
using MlNetTransfer.Numerics;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Heads;

/// <summary>
/// A perceptron with one hidden layer: probabilities = softmax(W₂·max(0, W₁·x + b₁) + b₂) of the raw features.
/// Immutable.
/// </summary>
public sealed class MlpHead : IHead
{
    private readonly float[] weights1,
        bias1,
        weights2,
        bias2;

    internal MlpHead(
        IReadOnlyList<string> classNames,
        int width,
        float[] weights1,
        float[] bias1,
        float[] weights2,
        float[] bias2,
        MlpFitReport report
    )
    {
        (ClassNames, Width, Report) = (classNames, width, report);
        (this.weights1, this.bias1, this.weights2, this.bias2) = (weights1, bias1, weights2, bias2);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames { get; }

    /// <inheritdoc/>
    public int Width { get; }

    /// <summary>Units of the hidden layer.</summary>
    public int Hidden => bias1.Length;

    /// <summary>How it was fitted.</summary>
    public MlpFitReport Report { get; }

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
        string w1 = graph.Floats("head.hidden.weight", weights1, Hidden, Width),
            b1 = graph.Floats("head.hidden.bias", bias1, Hidden);
        string w2 = graph.Floats("head.weight", weights2, ClassNames.Count, Hidden),
            b2 = graph.Floats("head.bias", bias2, ClassNames.Count);
        string hidden = graph.Node(
            "Relu",
            "head.active",
            [graph.Node("Gemm", "head.hidden", [graph.Features, w1, b1], Attributes.Of("transB", 1))]
        );
        return graph.Node("Gemm", "logits", [hidden, w2, b2], Attributes.Of("transB", 1));
    }

    private void Row(ReadOnlySpan<float> row, Span<float> logits)
    {
        var hidden = new float[Hidden];
        for (int h = 0; h < hidden.Length; h++)
            hidden[h] = MathF.Max(0, bias1[h] + Simd.Dot(weights1.AsSpan(h * Width, Width), row));
        for (int c = 0; c < logits.Length; c++)
            logits[c] = bias2[c] + Simd.Dot(weights2.AsSpan(c * Hidden, Hidden), hidden);
    }
}
