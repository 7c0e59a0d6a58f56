namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Operators that pass their input: dx = dy. A Cast counts only between float32 and float32, since nothing else has a
/// gradient; Dropout at inference passes everything.
/// </summary>
internal sealed class IdentityGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Cast", "Dropout", "Identity"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node) => [node.CompactGradient()];
}
