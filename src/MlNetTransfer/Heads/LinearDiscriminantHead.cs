using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>A linear discriminant: Gaussian classes with one covariance in common. Immutable.</summary>
public sealed class LinearDiscriminantHead : ILinearHead
{
    private readonly LinearForm form;

    internal LinearDiscriminantHead(IReadOnlyList<string> classNames, int width, float[] weights, float[] bias)
    {
        (ClassNames, Width) = (classNames, width);
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

    /// <inheritdoc/>
    public void Predict(ReadOnlySpan<float> rows, Span<float> probabilities) => HeadRows.Predict(this, rows, probabilities, form.Predict);

    /// <inheritdoc/>
    public float[] Predict(FeatureTable table) => HeadRows.Predict(this, table);
}
