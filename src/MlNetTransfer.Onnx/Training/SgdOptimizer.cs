using MlNetTransfer.Onnx.Differentiation;

namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// Stochastic gradient descent with momentum as PyTorch has it: v ← momentum · v + g; the step is learning rate · v, or
/// with Nesterov's momentum learning rate · (g + momentum · v).
/// </summary>
public sealed record SgdOptimizer : TrainingOptimizer
{
    /// <summary>Momentum, in [0, 1). Default 0.9; at 0 no state is kept.</summary>
    public double Momentum
    {
        get;
        init => field = Range.Check(value, 0, 0.9999999);
    } = 0.9;

    /// <summary>Nesterov's momentum (Sutskever et al., 2013). Default false.</summary>
    public bool Nesterov { get; init; }

    internal override IReadOnlyList<string> State => Momentum > 0 ? ["momentum"] : [];

    internal override string Emit(
        GraphEmitter graph,
        string gradient,
        IReadOnlyList<string> state,
        IReadOnlyList<string> next,
        IReadOnlyList<string> factors,
        int rank
    )
    {
        if (Momentum == 0)
            return gradient;
        graph.NodeNamed(next[0], "Add", [graph.Mul(state[0], (float)Momentum, rank), gradient]);
        return Nesterov ? graph.Add(gradient, graph.Mul(next[0], (float)Momentum, rank)) : next[0];
    }
}
