using MlNetTransfer.Onnx.Differentiation.Convolution;
using MlNetTransfer.Onnx.Kernels;

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

/// <summary>
/// Einstein sums of one or two tensors: the gradient of one is the sum of dy with the other, over the labels it lacks;
/// labels that only it has are repeated.
/// </summary>
internal sealed class EinsumGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Einsum"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string equation = string.Concat(node.Text("equation", "").Where(c => !char.IsWhiteSpace(c)));
        string[] sides = equation.Split("->");
        string[] terms = sides[0].Split(',');
        if (
            equation.Contains('.', StringComparison.Ordinal)
            || terms.Length > 2
            || terms.Any(t => t.Distinct().Count() != t.Length)
        )
            throw node.Unsupported(
                $"equation '{equation}' (only one or two tensors, each label once per tensor, and no ellipsis)"
            );
        string result =
            sides.Length > 1
                ? sides[1]
                : string.Concat(
                    sides[0]
                        .Where(char.IsAsciiLetter)
                        .GroupBy(c => c)
                        .Where(g => g.Count() == 1)
                        .Select(g => g.Key)
                        .Order()
                );
        return [.. terms.Select((_, i) => node.Needs(i) ? Of(node, terms, result, i) : null)];
    }

    private static string Of(BackwardNode node, string[] terms, string result, int input)
    {
        string own = terms[input],
            other = terms.Length == 2 ? terms[1 - input] : "";
        string made = string.Concat(
            own.Where(c => result.Contains(c, StringComparison.Ordinal) || other.Contains(c, StringComparison.Ordinal))
        );
        string dy = node.OutputGradient();
        string sum =
            terms.Length == 2
                ? node.Graph.Node(
                    "Einsum",
                    [dy, node.Input(1 - input)],
                    Attributes.Of("equation", $"{result},{other}->{made}")
                )
                : node.Graph.Node("Einsum", [dy], Attributes.Of("equation", $"{result}->{made}"));
        if (made == own)
            return sum;
        long[] shape = node.InputShape(input);
        return node.Graph.Expand(
            node.Graph.Reshape(
                sum,
                [.. own.Select((label, i) => made.Contains(label, StringComparison.Ordinal) ? shape[i] : 1)]
            ),
            shape
        );
    }
}

/// <summary>
/// Convolution over any number of axes, in all its forms: see <see cref="WinogradConvolution"/>,
/// <see cref="InputGradient"/> and <see cref="WeightGradient"/>; db is dY summed over images and positions.
/// </summary>
internal sealed class ConvGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Conv"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        ConvGeometry geometry = ConvGeometry.Of(node);
        string dy = node.OutputGradient();
        if (node.Graph.HasKernels && geometry.Depthwise && geometry.HasPlanes && node.Needs(0) && node.Needs(1))
            return [.. ByKernel(node, geometry, dy)];
        string? bias = node.Needs(2) ? node.Graph.ReduceSum(dy, [0, .. geometry.Per(i => i + 2L)]) : null;
        // A constant kernel is laid out by the runtime beforehand, which is faster still.
        if (node.Needs(1) && WinogradConvolution.Fits(geometry) && WinogradConvolution.Pays(geometry))
            return [.. ByTiles(node, geometry, dy), bias];
        return
        [
            node.Needs(0) ? InputGradient.Emit(node.Graph, geometry, dy, node.Input(1)) : null,
            node.Needs(1) ? WeightGradient.Emit(node.Graph, geometry, node.Input(0), dy) : null,
            bias,
        ];
    }

    private static IEnumerable<Gradient?> ByKernel(BackwardNode node, ConvGeometry geometry, string dy)
    {
        PlaneSizes sizes = geometry.Planes();
        string[] found = node.Graph.Kernel(
            DepthwiseGradients.Kind,
            [node.Input(0), dy, node.Input(1)],
            [node.InputShape(0), node.InputShape(1), [sizes.Channels]],
            DepthwiseGradients.Sizes(sizes, DepthwiseEnd.None, isGatedByX: false)
        );
        return found.Take(node.HasInput(2) ? 3 : 2).Select(name => new Gradient(name));
    }

    /// <summary>The convolution itself is computed by tiles too, since its gradients share what that takes.</summary>
    private static Gradient?[] ByTiles(BackwardNode node, ConvGeometry geometry, string dy)
    {
        GraphEmitter graph = node.Graph;
        WinogradConvolution tiles = new(graph, geometry);
        (string v, string u) = ("", "");
        node.Replace(output =>
        {
            (v, u) = (tiles.Input(node.Input(0)), tiles.Kernel(node.Input(1)));
            string y = tiles.Output(v, u);
            if (node.HasInput(2))
                graph.NodeNamed(output, "Add", [y, graph.Reshape(node.Input(2), -1, 1, 1)]);
            else
                graph.NodeNamed(output, "Identity", [y]);
        });
        string dz = tiles.OutputGradient(dy);
        return
        [
            node.Needs(0) ? tiles.InputGradient(dz, tiles.KernelIsLarge ? tiles.Kernel(node.Input(1)) : u) : null,
            tiles.KernelGradient(dz, v),
        ];
    }
}

/// <summary>
/// Transposed convolution: the convolution of which it is the gradient carries dy to dx; the gradient of the kernel is
/// that convolution's, with dy as its input and x as the gradient of its output; db is dy summed over images and
/// positions.
/// </summary>
internal sealed class ConvTransposeGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["ConvTranspose"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        ConvGeometry geometry = Geometry(node);
        string dy = node.OutputGradient();
        return
        [
            node.Needs(0) ? Convolve(node, geometry, dy) : null,
            node.Needs(1) ? WeightGradient.Emit(node.Graph, geometry, dy, node.Input(0)) : null,
            node.Needs(2) ? node.Graph.ReduceSum(dy, [0, .. geometry.Per(i => i + 2L)]) : null,
        ];
    }

    private static string Convolve(BackwardNode node, ConvGeometry g, string dy) =>
        node.Graph.Node(
            "Conv",
            [dy, node.Input(1)],
            Attributes.Of("pads", g.Pads),
            Attributes.Of("strides", g.Strides),
            Attributes.Of("dilations", g.Dilations),
            Attributes.Of("group", g.Groups),
            Attributes.Of("kernel_shape", g.Kernel)
        );

    /// <summary>The convolution from y [N, M, ...] to x [N, C, ...] with the kernel [C, M / groups, ...].</summary>
    private static ConvGeometry Geometry(BackwardNode node)
    {
        long[] x = node.InputShape(0),
            w = node.InputShape(1),
            y = node.OutputShape();
        int axes = x.Length - 2;
        long[] ones = [.. Enumerable.Repeat(1L, axes)];
        ConvGeometry open = new(
            x[0],
            y[1],
            x[1],
            node.Int("group", 1),
            y[2..],
            x[2..],
            w[2..],
            node.Ints("strides") ?? ones,
            node.Ints("dilations") ?? ones,
            [],
            []
        );
        (long[] begin, long[] end) = Pads(node, open);
        return open with { Begin = begin, End = end };
    }

    /// <summary>
    /// ONNX: where the shape of the output is asked for, or by auto_pad equals the input times the stride, the pads are
    /// what is too much; the odd one is at the end, but for SAME_LOWER at the begin.
    /// </summary>
    private static (long[] Begin, long[] End) Pads(BackwardNode node, ConvGeometry g)
    {
        string automatic = node.Text("auto_pad", "NOTSET");
        if (automatic == "VALID")
            return (new long[g.Axes], new long[g.Axes]);
        if (automatic == "NOTSET" && node.Ints("output_shape") is null)
            return node.Ints("pads") is { } pads
                ? (pads[..g.Axes], pads[g.Axes..])
                : (new long[g.Axes], new long[g.Axes]);
        long[] extra = node.Ints("output_padding") ?? new long[g.Axes];
        long[] total = g.Per(i => Math.Max(0, g.Strides[i] * (g.Output[i] - 1) + extra[i] + g.Extent(i) - g.Input[i]));
        long[] small = [.. total.Select(t => t / 2)],
            large = [.. total.Select(t => t - t / 2)];
        return automatic == "SAME_UPPER" ? (small, large) : (large, small);
    }
}
