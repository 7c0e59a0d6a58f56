namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Y = A·B over the last two axes, leading ones broadcast: dA = dY·Bᵀ, dB = Aᵀ·dY. A vector is a matrix of one row (A)
/// or one column (B).
/// </summary>
internal sealed class MatMulGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["MatMul"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        long[] a = node.InputShape(0),
            b = node.InputShape(1);
        long[] rows = a.Length == 1 ? [1, a[0]] : a,
            columns = b.Length == 1 ? [b[0], 1] : b;
        long[] batch = Broadcast(rows[..^2], columns[..^2]);
        string dy = Shaped(node.Graph, node.OutputGradient(), node.OutputShape(), [.. batch, rows[^2], columns[^1]]);
        return
        [
            node.Needs(0) ? Left(node, dy, batch, rows, columns) : null,
            node.Needs(1) ? Right(node, dy, batch, rows, columns) : null,
        ];
    }

    private static string Left(BackwardNode node, string dy, long[] batch, long[] rows, long[] columns)
    {
        string matrix = Shaped(node.Graph, node.Input(1), node.InputShape(1), columns);
        string full = node.Graph.FusedMatMul(dy, matrix, transposeB: true);
        return Shaped(
            node.Graph,
            Broadcasting.Undo(node.Graph, full, [.. batch, rows[^2], rows[^1]], rows),
            rows,
            node.InputShape(0)
        );
    }

    /// <summary>
    /// A weight shared by a batch of matrices: one product over all their rows, so that no gradient per matrix is ever
    /// stored.
    /// </summary>
    private static string Right(BackwardNode node, string dy, long[] batch, long[] rows, long[] columns)
    {
        string matrix = Shaped(node.Graph, node.Input(0), node.InputShape(0), rows);
        if (columns.Length == 2 && rows.Length > 2)
        {
            matrix = node.Graph.Reshape(matrix, -1, rows[^1]);
            dy = node.Graph.Reshape(dy, -1, columns[^1]);
            return Shaped(
                node.Graph,
                node.Graph.FusedMatMul(matrix, dy, transposeA: true),
                columns,
                node.InputShape(1)
            );
        }

        string full = node.Graph.FusedMatMul(matrix, dy, transposeA: true);
        return Shaped(
            node.Graph,
            Broadcasting.Undo(node.Graph, full, [.. batch, columns[^2], columns[^1]], columns),
            columns,
            node.InputShape(1)
        );
    }

    private static string Shaped(GraphEmitter graph, string tensor, long[] from, long[] to) =>
        from.AsSpan().SequenceEqual(to) ? tensor : graph.Reshape(tensor, to);

    private static long[] Broadcast(long[] a, long[] b)
    {
        int rank = Math.Max(a.Length, b.Length);
        long[] left = [.. Enumerable.Repeat(1L, rank - a.Length), .. a],
            right = [.. Enumerable.Repeat(1L, rank - b.Length), .. b];
        return [.. left.Zip(right, (x, y) => x == 1 ? y : x)];
    }
}
