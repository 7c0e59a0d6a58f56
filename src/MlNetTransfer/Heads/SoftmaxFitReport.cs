namespace MlNetTransfer.Heads;

/// <summary>How a softmax head was fitted.</summary>
/// <param name="L2">The penalty used.</param>
/// <param name="LogitScale">The factor on the logits that was chosen with the penalty; 1 where the penalty was
/// given.</param>
/// <param name="L2Path">Penalties tried by cross-validation, strongest first; empty where the penalty was given or
/// could not be chosen.</param>
/// <param name="Iterations">Iterations of the last fit.</param>
/// <param name="Converged">Whether it reached the tolerance.</param>
/// <param name="Objective">Mean cross-entropy (nats) + L2/2·‖W‖² at the end, W on standardised features.</param>
/// <param name="GradientNorm">Largest component of the gradient at the end, in absolute value.</param>
public sealed record SoftmaxFitReport(
    double L2,
    double LogitScale,
    IReadOnlyList<L2Trial> L2Path,
    int Iterations,
    bool Converged,
    double Objective,
    double GradientNorm
);
