namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>How one operator, or a family that shares one formula, is differentiated. Stateless.</summary>
internal interface IOperatorGradient
{
    /// <summary>Operator types of ONNX's own set.</summary>
    IReadOnlyList<string> Operators { get; }

    /// <summary>Writes the nodes that carry the gradient from the outputs of a node to its inputs.</summary>
    /// <param name="node">The node, with shapes, constants, gradients of its outputs, and the emitter to write
    /// with.</param>
    /// <returns>The gradient of each input in their order; null for one that <see cref="BackwardNode.Needs"/> none, and
    /// it may stop early.</returns>
    /// <exception cref="GraphException">The node has a form that is not supported:
    /// <see cref="BackwardNode.Unsupported"/>.</exception>
    IReadOnlyList<Gradient?> Backward(BackwardNode node);
}
