namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// y = γ·x̂ + β, x standardised over groups of channels with their positions; γ and β are per channel from operator set
/// 21 on, per group before. dβ = Σ dy, dγ = Σ dy·x̂, dx from dy·γ as <see cref="Standardisation"/> has it.
/// </summary>
internal sealed class GroupNormalizationGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["GroupNormalization"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        long[] shape = node.InputShape(0);
        long groups = node.Int("num_groups", 1),
            channels = shape[1] / groups;
        long[] grouped = [shape[0], groups, channels, shape[2..].Aggregate(1L, (a, b) => a * b)];
        long[] column = node.Opset >= 21 ? [groups, channels, 1] : [groups, 1, 1],
            summed = node.Opset >= 21 ? [0, 3] : [0, 2, 3];
        string dy = graph.Reshape(node.OutputGradient(), grouped);
        Standardisation standard = Standardisation.Of(
            graph,
            graph.Reshape(node.Input(0), grouped),
            grouped,
            [2, 3],
            node.Float("epsilon", 1e-5f)
        );
        return
        [
            node.Needs(0)
                ? graph.Reshape(standard.Backward(graph, graph.Mul(dy, graph.Reshape(node.Input(1), column))), shape)
                : null,
            node.Needs(1)
                ? graph.Reshape(graph.ReduceSum(graph.Mul(dy, standard.Values), summed), node.InputShape(1))
                : null,
            node.Needs(2) ? graph.Reshape(graph.ReduceSum(dy, summed), node.InputShape(2)) : null,
        ];
    }
}
