namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>
/// Constant linear maps along one axis, on the way back: what was taken from an element is added to it.
/// </summary>
internal static class AxisMap
{
    /// <summary>Beyond so many gathers a product with a matrix of zeros and ones is no slower.</summary>
    private const int MostGathers = 4;

    /// <summary>
    /// The gradient of y[j] = x[sources[j]] along an axis: dx[i] = Σ dy[j] over all j with sources[j] = i.
    /// </summary>
    /// <param name="graph">Writes the nodes.</param>
    /// <param name="dy">Gradient of shape <paramref name="shape"/>.</param>
    /// <param name="shape">Shape of dy.</param>
    /// <param name="axis">The axis, from 0.</param>
    /// <param name="sources">For each element of dy along the axis the element of x, from 0.</param>
    /// <param name="size">Elements of x along the axis.</param>
    public static string Select(GraphEmitter graph, string dy, long[] shape, int axis, long[] sources, long size)
    {
        if (Enumerable.Range(0, sources.Length).All(j => sources[j] == sources[0] + j))
            return graph.PadAxis(dy, shape.Length, axis, sources[0], size - sources[0] - sources.Length);
        ILookup<long, int> takers = Enumerable.Range(0, sources.Length).ToLookup(j => sources[j]);
        int most = takers.Max(t => t.Count());
        if (most > MostGathers)
            return Apply(graph, dy, shape, axis, Matrix(sources, size), size);
        bool gaps = most > 1 || takers.Count < size;
        string padded = gaps ? graph.PadAxis(dy, shape.Length, axis, 0, 1) : dy;
        string[] parts =
        [
            .. Enumerable
                .Range(0, most)
                .Select(layer =>
                    graph.Node(
                        "Gather",
                        [padded, graph.Longs([.. Taken(takers, layer, size, sources.Length)])],
                        Attributes.Of("axis", axis)
                    )
                ),
        ];
        return parts.Length == 1 ? parts[0] : graph.Node("Sum", parts);
    }

    /// <summary>The gradient of y = M·x along an axis: dx = Mᵀ·dy.</summary>
    /// <param name="graph">Writes the nodes.</param>
    /// <param name="dy">Gradient of shape <paramref name="shape"/>.</param>
    /// <param name="shape">Shape of dy.</param>
    /// <param name="axis">The axis, from 0.</param>
    /// <param name="matrix">M [elements of y, elements of x], row-major.</param>
    /// <param name="size">Elements of x along the axis.</param>
    public static string Apply(GraphEmitter graph, string dy, long[] shape, int axis, float[] matrix, long size)
    {
        long outer = Product(shape[..axis]),
            inner = Product(shape[(axis + 1)..]),
            count = shape[axis];
        string product =
            inner == 1
                ? graph.Node("MatMul", [graph.Reshape(dy, outer, count), graph.Floats(matrix, count, size)])
                : graph.Node(
                    "MatMul",
                    [graph.Floats(Transposed(matrix, count, size), size, count), graph.Reshape(dy, outer, count, inner)]
                );
        return graph.Reshape(product, [.. shape[..axis], size, .. shape[(axis + 1)..]]);
    }

    /// <summary>
    /// The taker of every element in one layer; <paramref name="none"/>, the zero put at the end, where it has no more.
    /// </summary>
    private static IEnumerable<long> Taken(ILookup<long, int> takers, int layer, long size, int none)
    {
        for (long i = 0; i < size; i++)
            yield return takers[i].Skip(layer).DefaultIfEmpty(none).First();
    }

    private static float[] Matrix(long[] sources, long size)
    {
        float[] matrix = new float[sources.Length * size];
        for (int j = 0; j < sources.Length; j++)
            matrix[j * size + sources[j]] = 1;
        return matrix;
    }

    private static float[] Transposed(float[] matrix, long rows, long columns)
    {
        float[] transposed = new float[matrix.Length];
        for (long r = 0; r < rows; r++)
        for (long c = 0; c < columns; c++)
            transposed[c * rows + r] = matrix[r * columns + c];
        return transposed;
    }

    private static long Product(long[] sizes) => sizes.Aggregate(1L, (a, b) => a * b);
}
