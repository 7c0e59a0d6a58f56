namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// y = γ·x̂ + β per channel, x standardised over each map: dβ = Σ dy, dγ = Σ dy·x̂ over images and positions, dx from
/// dy·γ as <see cref="Standardisation"/> has it.
/// </summary>
internal sealed class InstanceNormalizationGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["InstanceNormalization"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        long[] shape = node.InputShape(0),
            axes = [.. Enumerable.Range(2, shape.Length - 2).Select(i => (long)i)],
            column = [shape[1], .. axes.Select(_ => 1L)];
        string dy = node.OutputGradient();
        Standardisation standard = Standardisation.Of(graph, node.Input(0), shape, axes, node.Float("epsilon", 1e-5f));
        return
        [
            node.Needs(0) ? standard.Backward(graph, graph.Mul(dy, graph.Reshape(node.Input(1), column))) : null,
            node.Needs(1) ? graph.ReduceSum(graph.Mul(dy, standard.Values), [0, .. axes]) : null,
            node.Needs(2) ? graph.ReduceSum(dy, [0, .. axes]) : null,
        ];
    }
}
