namespace MlNetTransfer.Imaging.Resizing;

/// <summary>
/// The antialiased filter along one axis: for every output sample the first input sample, the number of taps and their
/// fixed-point weights.
/// </summary>
/// <remarks>
/// The arithmetic is Pillow's (Resample.c, since 3.4): for output i the centre is <c>(i + 0.5) · scale</c>, the filter
/// is widened by <c>max(scale, 1)</c>, the weights are normalised to sum 1 in double precision and rounded to 22
/// fractional bits. Taps are padded with a zero weight to an even number, so the sample after the last is read (and
/// multiplied by zero): it must be readable memory.
/// </remarks>
internal sealed class AxisWeights(Interpolation interpolation)
{
    /// <summary>Fractional bits of a weight: 32 less 8 of the pixel less 2 of headroom.</summary>
    public const int FractionBits = 22;

    /// <summary>
    /// A weight is split as <c>high · 2¹⁵ + low</c>, low in [0, 2¹⁵), so that both halves are 16-bit factors.
    /// </summary>
    public const int LowBits = 15;

    private readonly double support = interpolation == Interpolation.Bicubic ? 2 : 1;
    private double[] exact = [];

    /// <summary>Input samples the weights were built for; 0 before the first <see cref="Build"/>.</summary>
    public int Inputs { get; private set; }

    /// <summary>Output samples the weights were built for.</summary>
    public int Outputs { get; private set; }

    /// <summary>Weights per output in <see cref="Weights"/> and <see cref="Pairs"/>; even.</summary>
    public int Stride { get; private set; }

    /// <summary>Index of the first input sample [Outputs].</summary>
    public int[] First { get; private set; } = [];

    /// <summary>Taps without the padding [Outputs].</summary>
    public int[] Taps { get; private set; } = [];

    /// <summary>Fixed-point weights [Outputs × Stride].</summary>
    public int[] Weights { get; private set; } = [];

    /// <summary>
    /// The same weights for 16-bit multiply-adds [Outputs × Stride]: per pair of taps the two high halves in one
    /// integer, then the two low halves.
    /// </summary>
    public int[] Pairs { get; private set; } = [];

    /// <summary>
    /// Builds the weights from <paramref name="inputs"/> to <paramref name="outputs"/> samples unless they are already
    /// there.
    /// </summary>
    public void Build(int inputs, int outputs)
    {
        if (inputs == Inputs && outputs == Outputs)
            return;
        double scale = (double)inputs / outputs;
        double widening = Math.Max(scale, 1);
        double reach = support * widening;
        Stride = ((int)Math.Ceiling(reach) * 2) + 2;
        (Inputs, Outputs) = (inputs, outputs);
        if (First.Length < outputs)
            (First, Taps) = (new int[outputs], new int[outputs]);
        if (Weights.Length < Stride * outputs)
        {
            Weights = new int[Stride * outputs];
            Pairs = new int[Stride * outputs];
        }
        if (exact.Length < Stride)
            exact = new double[Stride];
        for (int i = 0; i < outputs; i++)
            BuildOne(i, (i + 0.5) * scale, reach, 1 / widening);
    }

    private void BuildOne(int output, double center, double reach, double narrowing)
    {
        int first = Math.Max((int)(center - reach + 0.5), 0);
        int taps = Math.Min((int)(center + reach + 0.5), Inputs) - first;
        double sum = 0;
        for (int t = 0; t < taps; t++)
        {
            exact[t] = Filter((t + first - center + 0.5) * narrowing);
            sum += exact[t];
        }

        Span<int> weights = Weights.AsSpan(output * Stride, Stride);
        weights.Clear();
        for (int t = 0; t < taps; t++)
        {
            double weight = sum != 0 ? exact[t] / sum : exact[t];
            weights[t] = (int)((weight * (1 << FractionBits)) + (weight < 0 ? -0.5 : 0.5));
        }

        Span<int> pairs = Pairs.AsSpan(output * Stride, Stride);
        for (int t = 0; t < Stride; t += 2)
        {
            pairs[t] = Pack(weights[t] >> LowBits, weights[t + 1] >> LowBits);
            pairs[t + 1] = Pack(weights[t] & ((1 << LowBits) - 1), weights[t + 1] & ((1 << LowBits) - 1));
        }
        First[output] = first;
        Taps[output] = taps;
    }

    private static int Pack(int first, int second) => (first & 0xFFFF) | (second << 16);

    private double Filter(double x)
    {
        x = Math.Abs(x);
        if (interpolation == Interpolation.Bilinear)
            return x < 1 ? 1 - x : 0;
        const double a = -0.5;
        if (x < 1)
            return ((((a + 2) * x) - (a + 3)) * x * x) + 1;
        return x < 2 ? ((((x - 5) * x) + 8) * x - 4) * a : 0;
    }
}
