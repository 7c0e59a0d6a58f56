namespace MlNetTransfer.Selective;

/// <summary>
/// What a model is to promise beside its probabilities. Immutable; an invalid instance cannot be made.
/// </summary>
public sealed record ReliabilityOptions
{
    /// <summary>The share of sets of classes that should hold the true one, in [0.5, 0.999]. Default 0.9.</summary>
    public double Coverage
    {
        get;
        init => field = Check.InRange(value, 0.5, 0.999, nameof(Coverage));
    } = 0.9;

    /// <summary>
    /// The accuracy of the answers that the model gives where it does not abstain, in [0.5, 0.999]. Default 0.95.
    /// </summary>
    public double TargetAccuracy
    {
        get;
        init => field = Check.InRange(value, 0.5, 0.999, nameof(TargetAccuracy));
    } = 0.95;

    /// <summary>
    /// Whether the model scores how unlike an image is to those that it was trained on. Default true. The model file
    /// then keeps numbers made of up to 1,000 training images, and is as private as their features are.
    /// </summary>
    public bool ScoresUnknown { get; init; } = true;
}
