namespace MlNetTransfer.Heads;

/// <summary>
/// A prototype per class: the nearest class mean is the likeliest. Linear in the features. Immutable.
/// </summary>
public sealed class NearestMeanHead : LinearHead
{
    internal NearestMeanHead(
        IReadOnlyList<string> classNames,
        int width,
        float[] weights,
        float[] bias,
        double variance
    )
        : base(classNames, width, weights, bias) => Variance = variance;

    /// <summary>The squared distance, in standardised features, by which probabilities fall by the factor √e.</summary>
    public double Variance { get; }
}
