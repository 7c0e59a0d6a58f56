namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// y = γ·x̂ + β, x standardised over the axes from a given one on: dβ = Σ dy, dγ = Σ dy·x̂, dx from dy·γ as
/// <see cref="Standardisation"/> has it.
/// </summary>
internal sealed class LayerNormalizationGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["LayerNormalization"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        if (node.HasGradient(1) || node.HasGradient(2))
            throw node.Unsupported("a mean or deviation that is used");
        GraphEmitter graph = node.Graph;
        long[] shape = node.InputShape(0),
            axes = [.. Enumerable.Range(0, shape.Length).Skip(node.Axis(-1)).Select(i => (long)i)];
        string dy = node.OutputGradient(),
            mean = node.ExtraOutput(1),
            inverse = node.ExtraOutput(2);
        Standardisation standard = new(
            graph.Mul(graph.Sub(node.Input(0), mean), inverse),
            inverse,
            axes,
            axes.Aggregate(1L, (a, axis) => a * shape[axis])
        );
        return
        [
            node.Needs(0) ? standard.Backward(graph, graph.Mul(dy, node.Input(1))) : null,
            node.Needs(1) ? node.Unbroadcast(graph.Mul(dy, standard.Values)!, 1) : null,
            node.Needs(2) ? node.Unbroadcast(dy!, 2) : null,
        ];
    }
}
