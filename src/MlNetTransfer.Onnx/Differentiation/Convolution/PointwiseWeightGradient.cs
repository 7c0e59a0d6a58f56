namespace MlNetTransfer.Onnx.Differentiation.Convolution;

/// <summary>
/// A kernel of one tap: dW [M, C] = Σ over images of dY [M, P] · Xᵀ [P, C], or one product over the positions of all
/// images.
/// </summary>
internal static class PointwiseWeightGradient
{
    public static string Emit(GraphEmitter graph, ConvGeometry g, string x, string dy, bool wholeBatch)
    {
        string seen = g.UnitStride
            ? x
            : graph.Slice(x, [2, 3], [0, 0], [.. g.Per(i => g.Strides[i] * (g.Output[i] - 1) + 1)], g.Strides);
        long[] kernel = [g.Filters, g.Channels, 1, 1];
        if (wholeBatch)
        {
            string left = graph.Reshape(graph.Transpose(dy, 1, 0, 2, 3), g.Filters, -1),
                right = graph.Reshape(graph.Transpose(seen, 1, 0, 2, 3), g.Channels, -1);
            return graph.Reshape(graph.FusedMatMul(left, right, transposeB: true), kernel);
        }

        string perImage = graph.FusedMatMul(
            graph.Reshape(dy, g.Batch, g.Filters, -1),
            graph.Reshape(seen, g.Batch, g.Channels, -1),
            transposeB: true
        );
        return graph.Reshape(graph.ReduceSum(perImage, [0]), kernel);
    }
}
