using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>A prototype per class: the nearest class mean is the likeliest. Linear in the features. Immutable.</summary>
public sealed class NearestMeanHead : ILinearHead
{
    private readonly LinearForm form;

    internal NearestMeanHead(IReadOnlyList<string> classNames, int width, float[] weights, float[] bias, double variance)
    {
        (ClassNames, Width, Variance) = (classNames, width, variance);
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

    /// <summary>The squared distance, in standardised features, by which probabilities fall by the factor √e.</summary>
    public double Variance { get; }

    /// <inheritdoc/>
    public void Predict(ReadOnlySpan<float> rows, Span<float> probabilities) => HeadRows.Predict(this, rows, probabilities, form.Predict);

    /// <inheritdoc/>
    public float[] Predict(FeatureTable table) => HeadRows.Predict(this, table);
}
