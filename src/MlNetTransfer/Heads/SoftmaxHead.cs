namespace MlNetTransfer.Heads;

/// <summary>A linear softmax classifier: multinomial logistic regression. Immutable.</summary>
public sealed class SoftmaxHead : LinearHead
{
    internal SoftmaxHead(
        IReadOnlyList<string> classNames,
        int width,
        float[] weights,
        float[] bias,
        SoftmaxFitReport report
    )
        : base(classNames, width, weights, bias) => Report = report;

    /// <summary>How it was fitted.</summary>
    public SoftmaxFitReport Report { get; }
}
