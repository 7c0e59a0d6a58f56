namespace MlNetTransfer.Heads;

/// <summary>
/// Ridge regression on one-hot targets, its scores turned into probabilities. Linear in the features. Immutable.
/// </summary>
public sealed class RidgeHead : LinearHead
{
    internal RidgeHead(
        IReadOnlyList<string> classNames,
        int width,
        float[] weights,
        float[] bias,
        double penalty,
        double alpha,
        double temperature,
        IReadOnlyList<L2Trial> path
    )
        : base(classNames, width, weights, bias) =>
        (Penalty, Alpha, Temperature, Path) = (penalty, alpha, temperature, path);

    /// <summary>The penalty used, as a multiple of the rows' mean squared length.</summary>
    public double Penalty { get; }

    /// <summary>The penalty itself: α of Σ ‖y - W·x - b‖² + α·‖W‖² on standardised features.</summary>
    public double Alpha { get; }

    /// <summary>What the scores are divided by to be logits.</summary>
    public double Temperature { get; }

    /// <summary>
    /// Penalties that were tried, judged on the scores of rows left out; empty where the penalty was given or no row
    /// could be left out.
    /// </summary>
    public IReadOnlyList<L2Trial> Path { get; }
}
