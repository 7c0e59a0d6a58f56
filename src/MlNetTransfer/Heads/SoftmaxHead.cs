using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>A linear softmax classifier: probabilities = softmax(W·x + b) of the raw features. Immutable.</summary>
public sealed class SoftmaxHead : ILinearHead
{
    private readonly LinearForm form;

    internal SoftmaxHead(IReadOnlyList<string> classNames, int width, float[] weights, float[] bias, SoftmaxFitReport report)
    {
        (ClassNames, Width, Report) = (classNames, width, report);
        form = new LinearForm(weights, bias, width);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames { get; }

    /// <inheritdoc/>
    public int Width { get; }

    /// <inheritdoc/>
    public ReadOnlyMemory<float> Weights => form.Weights;

    /// <inheritdoc/>
    public ReadOnlyMemory<float> Bias => form.Bias;

    /// <summary>How it was fitted.</summary>
    public SoftmaxFitReport Report { get; }

    /// <inheritdoc/>
    public void Predict(ReadOnlySpan<float> rows, Span<float> probabilities) => HeadRows.Predict(this, rows, probabilities, form.Predict);

    /// <inheritdoc/>
    public float[] Predict(FeatureTable table) => HeadRows.Predict(this, table);
}
