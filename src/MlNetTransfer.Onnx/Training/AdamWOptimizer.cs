using MlNetTransfer.Onnx.Differentiation;

namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// Adam with decoupled weight decay (Kingma and Ba, 2015; Loshchilov and Hutter, 2019): m ← β₁·m + (1 - β₁)·g, v ← β₂·v
/// + (1 - β₂)·g²; the step is learning rate · m̂ / (√v̂ + ε), where m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ) at step
/// t.
/// </summary>
public sealed record AdamWOptimizer : TrainingOptimizer
{
    /// <summary>Decay β₁ of the mean of gradients, in [0, 1). Default 0.9.</summary>
    public double Beta1
    {
        get;
        init => field = Range.Check(value, 0, 0.9999999);
    } = 0.9;

    /// <summary>Decay β₂ of the mean of squared gradients, in [0, 1). Default 0.999.</summary>
    public double Beta2
    {
        get;
        init => field = Range.Check(value, 0, 0.9999999);
    } = 0.999;

    /// <summary>What keeps the division finite, in [1e-16, 1]. Default 1e-8.</summary>
    public double Epsilon
    {
        get;
        init => field = Range.Check(value, 1e-16, 1);
    } = 1e-8;

    internal override IReadOnlyList<string> State => ["first_moment", "second_moment"];

    /// <summary>1 / (1 - β₁ᵗ) and 1 / (1 - β₂ᵗ).</summary>
    internal override float[] StepFactors(long step) =>
        [(float)(1 / (1 - Math.Pow(Beta1, step))), (float)(1 / (1 - Math.Pow(Beta2, step)))];

    internal override string Emit(
        GraphEmitter graph,
        string gradient,
        IReadOnlyList<string> state,
        IReadOnlyList<string> next,
        IReadOnlyList<string> factors,
        int rank
    )
    {
        graph.NodeNamed(
            next[0],
            "Add",
            [graph.Mul(state[0], (float)Beta1, rank), graph.Mul(gradient, (float)(1 - Beta1), rank)]
        );
        graph.NodeNamed(
            next[1],
            "Add",
            [
                graph.Mul(state[1], (float)Beta2, rank),
                graph.Mul(graph.Mul(gradient, gradient), (float)(1 - Beta2), rank),
            ]
        );
        string root = graph.Node("Sqrt", [graph.Mul(next[1], factors[1])]);
        return graph.Div(graph.Mul(next[0], factors[0]), graph.Add(root, graph.Scalar((float)Epsilon, rank)));
    }
}
