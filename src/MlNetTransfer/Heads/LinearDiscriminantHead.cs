namespace MlNetTransfer.Heads;

/// <summary>A linear discriminant: Gaussian classes with one covariance in common. Immutable.</summary>
public sealed class LinearDiscriminantHead : LinearHead
{
    internal LinearDiscriminantHead(IReadOnlyList<string> classNames, int width, float[] weights, float[] bias)
        : base(classNames, width, weights, bias) { }
}
