namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>Operators that give the same values another shape: dx = dy in the shape of x.</summary>
internal sealed class ReshapeGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Flatten", "Reshape", "Squeeze", "Unsqueeze"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node) =>
        [node.Graph.Reshape(node.OutputGradient(), node.InputShape(0))];
}
