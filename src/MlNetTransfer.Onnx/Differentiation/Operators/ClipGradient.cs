namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// y = min(max(x, low), high), ReLU6 among others: dx = dy strictly between the bounds, else 0, as PyTorch's ReLU6 and
/// hardtanh have it.
/// </summary>
internal sealed class ClipGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Clip"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        if (node.Needs(1) || node.Needs(2))
            throw node.Unsupported("bounds that are trained");
        string? above = node.HasInput(1) ? Above(node) : null,
            below = node.HasInput(2) ? node.Graph.Sub(node.Input(2), node.Output()) : null;
        if (above is null && below is null)
            return [node.CompactGradient()];
        string inside =
            above is null ? below!
            : below is null ? above
            : node.Graph.Mul(above, below);
        return [node.Graph.Mul(node.Graph.IsPositive(inside), node.CompactGradient().Tensor)];
    }

    private static string Above(BackwardNode node) =>
        node.KnownFloats(1) is [0f] ? node.Output() : node.Graph.Sub(node.Output(), node.Input(1));
}
