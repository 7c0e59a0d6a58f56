namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Elements taken along an axis by index: dx[i] is the sum of dy over all places that took element i.
/// </summary>
internal sealed class GatherGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Gather"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        long[] x = node.InputShape(0);
        int axis = node.Axis(0);
        long size = x[axis],
            taken = Product(node.InputShape(1));
        long[] shape = [.. x[..axis], taken, .. x[(axis + 1)..]];
        string dy = node.Graph.Reshape(node.OutputGradient(), shape);
        long[]? sources = node.KnownInts(1)?.Select(i => i < 0 ? i + size : i).ToArray();
        return
        [
            sources is not null && sources.Distinct().Count() == sources.Length
                ? AxisMap.Select(node.Graph, dy, shape, axis, sources, size)
                : Scatter(node, dy, shape, axis),
        ];
    }

    /// <summary>Indices that are computed, or repeat: added to zeros with the axis in front.</summary>
    private static string Scatter(BackwardNode node, string dy, long[] shape, int axis)
    {
        GraphEmitter graph = node.Graph;
        long[] x = node.InputShape(0),
            order = [axis, .. Others(x.Length, axis)],
            back = [.. Enumerable.Range(0, x.Length).Select(i => (long)Array.IndexOf(order, i))];
        string indices = graph.Reshape(graph.Node("Cast", [node.Input(1)], Attributes.Of("to", 7)), shape[axis], 1);
        string front = axis == 0 ? dy : graph.Transpose(dy, order);
        string sum = graph.Node(
            "ScatterND",
            [graph.Zeros(dy, [.. order.Select(i => x[i])]), indices, front],
            Attributes.Of("reduction", "add")
        );
        return axis == 0 ? sum : graph.Transpose(sum, back);
    }

    private static IEnumerable<long> Others(int rank, int axis) =>
        Enumerable.Range(0, rank).Where(i => i != axis).Select(i => (long)i);

    private static long Product(long[] sizes) => sizes.Aggregate(1L, (a, b) => a * b);
}

/// <summary>
/// Single elements, or slices (GatherND), taken by index: dy is added to zeros at the places it was taken from.
/// </summary>
internal sealed class GatherElementsGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["GatherElements", "GatherND"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        if (node.Int("batch_dims", 0) != 0)
            throw node.Unsupported("batch_dims other than 0");
        string dy = node.OutputGradient(),
            zeros = node.Graph.Zeros(dy, node.InputShape(0));
        return
        [
            node.Operator == "GatherND"
                ? node.Graph.Node("ScatterND", [zeros, node.Input(1), dy], Attributes.Of("reduction", "add"))
                : node.Graph.Node(
                    "ScatterElements",
                    [zeros, node.Input(1), dy],
                    Attributes.Of("axis", node.Int("axis", 0)),
                    Attributes.Of("reduction", "add")
                ),
        ];
    }
}
