namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Y = α·A'·B' + β·C, where A' and B' are A and B, transposed where asked. With A' = A and B' = B: dA = α·dY·Bᵀ, dB =
/// α·Aᵀ·dY, dC = β·dY.
/// </summary>
internal sealed class GemmGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Gemm"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        (bool transposeA, bool transposeB) = (node.Int("transA", 0) != 0, node.Int("transB", 0) != 0);
        (float alpha, float beta) = (node.Float("alpha", 1), node.Float("beta", 1));
        string dy = node.OutputGradient();
        return
        [
            !node.Needs(0) ? null
            : transposeA ? node.Graph.FusedMatMul(node.Input(1), dy, transposeB, true, alpha)
            : node.Graph.FusedMatMul(dy, node.Input(1), false, !transposeB, alpha),
            !node.Needs(1) ? null
            : transposeB ? node.Graph.FusedMatMul(dy, node.Input(0), true, transposeA, alpha)
            : node.Graph.FusedMatMul(node.Input(0), dy, !transposeA, false, alpha),
            !node.Needs(2) ? null : node.Unbroadcast(beta == 1 ? dy : node.Graph.Mul(dy, beta), 2),
        ];
    }
}
