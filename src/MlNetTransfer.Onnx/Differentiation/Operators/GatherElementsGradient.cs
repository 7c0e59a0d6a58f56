namespace MlNetTransfer.Onnx.Differentiation.Operators;

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
