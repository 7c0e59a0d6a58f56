namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Maximum over windows: dy goes to the element that was the largest, the first one of a tie, as in PyTorch; elements
/// that were so in several windows get the sum.
/// </summary>
internal sealed class MaxPoolGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["MaxPool"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        if (node.Int("storage_order", 0) != 0)
            throw node.Unsupported("storage_order 1");
        GraphEmitter graph = node.Graph;
        long size = node.InputShape(0).Aggregate(1L, (a, b) => a * b);
        string indices = graph.Reshape(node.ExtraOutput(1), -1);
        string scattered = graph.Node(
            "ScatterElements",
            [Zeros(graph, indices, size), indices, graph.Reshape(node.OutputGradient(), -1)],
            Attributes.Of("axis", 0),
            Attributes.Of("reduction", "add")
        );
        return [graph.Reshape(scattered, node.InputShape(0))];
    }

    /// <summary>
    /// Zeros that the runtime does not know beforehand: a constant of that size would be stored in the graph.
    /// </summary>
    private static string Zeros(GraphEmitter graph, string indices, long size)
    {
        string one = graph.Node("Cast", [graph.Slice(indices, [0], [0], [1])], Attributes.Of("to", 1));
        return graph.Expand(graph.Mul(one, 0), size);
    }
}
