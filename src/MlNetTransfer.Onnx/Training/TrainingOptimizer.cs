using MlNetTransfer.Onnx.Differentiation;

namespace MlNetTransfer.Onnx.Training;

/// <summary>How gradients become steps: <see cref="SgdOptimizer"/> or <see cref="AdamWOptimizer"/>.</summary>
public abstract record TrainingOptimizer
{
    private protected TrainingOptimizer() { }

    /// <summary>Names of the tensors, each of the parameter's shape, that it keeps for each parameter.</summary>
    internal abstract IReadOnlyList<string> State { get; }

    /// <summary>What the host computes from the count of steps, 1 for the first; as long for every step.</summary>
    internal virtual float[] StepFactors(long step) => [];

    /// <summary>Appends the step of one parameter.</summary>
    /// <param name="graph">Writes the nodes.</param>
    /// <param name="gradient">The gradient.</param>
    /// <param name="state">The state now, in the order of <see cref="State"/>.</param>
    /// <param name="next">Names to give to the state after, in that order.</param>
    /// <param name="factors">One element of the parameter's rank for each of <see cref="StepFactors"/>.</param>
    /// <param name="rank">Rank of the parameter, for constants: see
    /// <see cref="GraphEmitter.Mul(string, float, int)"/>.</param>
    /// <returns>The direction, to be multiplied by the learning rate and subtracted.</returns>
    internal abstract string Emit(
        GraphEmitter graph,
        string gradient,
        IReadOnlyList<string> state,
        IReadOnlyList<string> next,
        IReadOnlyList<string> factors,
        int rank
    );
}
