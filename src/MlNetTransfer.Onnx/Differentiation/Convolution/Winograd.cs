namespace MlNetTransfer.Onnx.Differentiation.Convolution;

/// <summary>
/// A 3 x 3 convolution and its gradients by tiles of 4 x 4 outputs (<see cref="WinogradPoints"/>): X, W and Y become 36
/// matrices each, V [rows, C], U [M, C] and Z [rows, M], where a row is one tile of one image, and Z = V·Uᵀ, dV = dZ·U,
/// dU = dZᵀ·V: 36 products of a tile instead of 144. V and U are shared by the convolution and its gradients, dZ by
/// both of these.
/// </summary>
/// <remarks>
/// The maps along the two axes are linear, so each is a product with a constant matrix [6·tiles, size], whose rows are
/// sorted by point, then by tile. Transposed products move the spatial axes before images and channels, and back, on
/// the way; only blocks of whole images are ever copied. On large maps that is more work than what the tiles save:
/// <see cref="Pays"/>.
/// </remarks>
internal sealed class WinogradConvolution
{
    private const int Points = WinogradPoints.Count;

    private readonly GraphEmitter graph;
    private readonly ConvGeometry g;
    private readonly long[] tiles;
    private readonly string[] inputMaps,
        outputMaps;

    /// <param name="graph">Writes the nodes.</param>
    /// <param name="geometry">A convolution that <see cref="Fits"/>.</param>
    public WinogradConvolution(GraphEmitter graph, ConvGeometry geometry)
    {
        (this.graph, g, tiles) = (graph, geometry, Tiles(geometry));
        inputMaps =
        [
            .. Enumerable.Range(0, 2).Select(axis => Map(axis, g.Input[axis], WinogradPoints.Input, -g.Begin[axis])),
        ];
        outputMaps = [.. Enumerable.Range(0, 2).Select(axis => Map(axis, g.Output[axis], WinogradPoints.Output, 0))];
    }

    /// <summary>Whether a convolution has this form: 3 x 3 taps, dense, at stride and dilation 1.</summary>
    public static bool Fits(ConvGeometry g) =>
        g.Axes == 2
        && g.Groups == 1
        && g.UnitStride
        && g.UnitDilation
        && Array.TrueForAll(g.Kernel, k => k == WinogradPoints.Taps)
        && Array.TrueForAll(g.Pads, p => p >= 0);

    /// <summary>
    /// Whether it takes clearly fewer multiplications, those of the maps counted twice (their matrices are thin).
    /// Measured on one thread, all three products, batch 16: 512 maps of 7 x 7 31 against 60 ms, 256 of 14 x 14 28
    /// against 56, 128 of 28 x 28 33 against 58, 64 of 56 x 56 67 against 66.
    /// </summary>
    public static bool Pays(ConvGeometry g)
    {
        long[] t = Tiles(g);
        double pairs = (double)g.Channels * g.Filters,
            direct = 9.0 * g.Output[0] * g.Output[1] * pairs,
            products = 36.0 * t[0] * t[1] * pairs;
        double map = Points * t[1] * g.Input[0] * (g.Input[1] + (double)Points * t[0]),
            maps = 2.0 / 3 * map * (g.Channels + g.Filters),
            kernels = 36.0 * 9 * pairs / g.Batch;
        return direct >= 1.4 * (products + 2 * (maps + kernels));
    }

    /// <summary>V of the input [N, C, H, W].</summary>
    public string Input(string x) => Spread(x, inputMaps, g.Input, g.Channels);

    /// <summary>
    /// Whether U, four times as large as W, is larger than all else of the layer. Then it is worth computing it a
    /// second time for the gradients instead of keeping it: the last block of resnet18 takes 461 instead of 525 MB, and
    /// 3 % longer.
    /// </summary>
    public bool KernelIsLarge => g.Filters > g.Batch * tiles[0] * tiles[1];

    /// <summary>
    /// U of the kernel [M, C, 3, 3]. Each call computes it anew: it has its own constant, so that the runtime does not
    /// make one of two.
    /// </summary>
    public string Kernel(string weights) =>
        graph.Reshape(
            graph.FusedMatMul(KernelMap(), graph.Reshape(weights, g.Filters * g.Channels, 9), transposeB: true),
            Points * Points,
            g.Filters,
            g.Channels
        );

    /// <summary>The convolution [N, M, H, W] without its bias.</summary>
    public string Output(string v, string u) =>
        Collect(graph.FusedMatMul(v, u, transposeB: true), outputMaps, g.Output, g.Filters);

    /// <summary>dZ of dY [N, M, H, W].</summary>
    public string OutputGradient(string dy) => Spread(dy, outputMaps, g.Output, g.Filters);

    /// <summary>dX [N, C, H, W].</summary>
    public string InputGradient(string dz, string u) =>
        Collect(graph.FusedMatMul(dz, u), inputMaps, g.Input, g.Channels);

    /// <summary>dW [M, C, 3, 3].</summary>
    public string KernelGradient(string dz, string v)
    {
        string du = graph.FusedMatMul(dz, v, transposeA: true);
        return graph.Reshape(
            graph.FusedMatMul(graph.Reshape(du, Points * Points, -1), KernelMap(), transposeA: true),
            g.Filters,
            g.Channels,
            3,
            3
        );
    }

    private static long[] Tiles(ConvGeometry g) =>
        g.Per(axis => (g.Output[axis] + WinogradPoints.Tile - 1) / WinogradPoints.Tile);

    /// <summary>
    /// [N, maps, H, W] → [36, rows, maps]: first along the width, then along the height, each axis moving to the front.
    /// </summary>
    private string Spread(string tensor, string[] axes, long[] size, long maps)
    {
        string wide = graph.FusedMatMul(axes[1], graph.Reshape(tensor, -1, size[1]), transposeB: true);
        string both = graph.FusedMatMul(
            axes[0],
            graph.Reshape(wide, Points * tiles[1], g.Batch * maps, size[0]),
            transposeB: true
        );
        string sorted = graph.Transpose(graph.Reshape(both, Points, tiles[1], Points, -1), 0, 2, 1, 3);
        return graph.Reshape(sorted, Points * Points, -1, maps);
    }

    /// <summary>[36, rows, maps] → [N, maps, H, W]: <see cref="Spread"/> transposed.</summary>
    private string Collect(string tensor, string[] axes, long[] size, long maps)
    {
        string sorted = graph.Transpose(graph.Reshape(tensor, Points, Points, tiles[1], -1), 0, 2, 1, 3);
        string high = graph.FusedMatMul(
            graph.Reshape(sorted, Points * tiles[1], Points * tiles[0], g.Batch * maps),
            axes[0],
            transposeA: true
        );
        string both = graph.FusedMatMul(graph.Reshape(high, Points * tiles[1], -1), axes[1], transposeA: true);
        return graph.Reshape(both, [g.Batch, maps, .. size]);
    }

    /// <summary>
    /// [6·tiles, size]: what point p of tile t takes of, or gives to, the element t·4 + first + j; elements outside are
    /// the pads, or outputs that do not exist.
    /// </summary>
    private string Map(int axis, long size, double[,] matrix, long first)
    {
        float[] values = new float[Points * tiles[axis] * size];
        for (int point = 0; point < Points; point++)
        for (long tile = 0; tile < tiles[axis]; tile++)
        for (int j = 0; j < matrix.GetLength(1); j++)
            if (tile * WinogradPoints.Tile + first + j is var at && at >= 0 && at < size)
                values[(point * tiles[axis] + tile) * size + at] = (float)matrix[point, j];
        return graph.Floats(values, Points * tiles[axis], size);
    }

    /// <summary>
    /// [36, 9]: the points of the width outside, as <see cref="Spread"/> sorts them; the taps row by row.
    /// </summary>
    private string KernelMap()
    {
        float[] values = new float[Points * Points * 9];
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)(
                WinogradPoints.Kernel[i / (9 * Points), i % 3] * WinogradPoints.Kernel[i / 9 % Points, i / 3 % 3]
            );
        return graph.Floats(values, Points * Points, 9);
    }
}

/// <summary>
/// The matrices of a convolution of 3 taps that gives 4 outputs of 6 inputs by 6 multiplications instead of 12: y =
/// Aᵀ·((G·w) ∘ (Bᵀ·x)) (Toom and Cook; Winograd, Arithmetic Complexity of Computations, 1980; for convolutions Lavin
/// and Gray, 2016). Polynomials are evaluated at 0, ±√½, ±√2 and infinity, each point's factors brought to equal norms:
/// so the rounding error is a sixth of that of the usual points 0, ±1, ±2 (largest error of a product over 128 channels
/// in float32: 1.4e-6 against 8.8e-6 of the largest value).
/// </summary>
internal static class WinogradPoints
{
    /// <summary>Outputs m of a tile.</summary>
    public const int Tile = 4;

    /// <summary>Inputs a tile sees, and products it takes.</summary>
    public const int Count = 6;

    /// <summary>Taps of the kernel.</summary>
    public const int Taps = 3;

    private static readonly double[] Finite = [0, Math.Sqrt(0.5), -Math.Sqrt(0.5), Math.Sqrt(2), -Math.Sqrt(2)];

    static WinogradPoints()
    {
        for (int point = 0; point < Count; point++)
        {
            double[] input = InputRow(point),
                kernel = PowersOf(point, Taps, point < Finite.Length ? 1 / Denominator(point) : 1),
                output = PowersOf(point, Tile, 1);
            double mean = Math.Cbrt(Norm(input) * Norm(kernel) * Norm(output));
            Set(Input, point, input, mean);
            Set(Kernel, point, kernel, mean);
            Set(Output, point, output, mean);
        }
    }

    /// <summary>Bᵀ [6, 6]: what point p takes of input j.</summary>
    public static double[,] Input { get; } = new double[Count, Count];

    /// <summary>G [6, 3]: what point p takes of tap i.</summary>
    public static double[,] Kernel { get; } = new double[Count, Taps];

    /// <summary>A [6, 4]: what output i takes of point p.</summary>
    public static double[,] Output { get; } = new double[Count, Tile];

    /// <summary>Coefficients, the constant first, of the product of x - q over all other finite points q.</summary>
    private static double[] InputRow(int point)
    {
        double[] polynomial = new double[Count];
        polynomial[0] = 1;
        foreach (double root in Finite.Where((_, i) => i != point))
            for (int k = Count - 1; k >= 0; k--)
                polynomial[k] = (k > 0 ? polynomial[k - 1] : 0) - root * polynomial[k];
        return polynomial;
    }

    /// <summary>scale · (1, p, p², ...); at infinity the last one alone.</summary>
    private static double[] PowersOf(int point, int count, double scale) =>
        [
            .. Enumerable
                .Range(0, count)
                .Select(k =>
                    scale
                    * (
                        point < Finite.Length ? Math.Pow(Finite[point], k)
                        : k == count - 1 ? 1
                        : 0
                    )
                ),
        ];

    private static double Denominator(int point) =>
        Finite.Where((_, i) => i != point).Aggregate(1.0, (product, q) => product * (Finite[point] - q));

    private static double Norm(double[] row) => Math.Sqrt(row.Sum(v => v * v));

    private static void Set(double[,] matrix, int point, double[] row, double norm)
    {
        double scale = norm / Norm(row);
        for (int i = 0; i < row.Length; i++)
            matrix[point, i] = row[i] * scale;
    }
}
