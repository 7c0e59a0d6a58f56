using System.Diagnostics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

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

    /// <summary>Lobes on each side of Lanczos' filter.</summary>
    private const int Lobes = 3;

    private AxisOutput built;

    private readonly double support = interpolation switch
    {
        Interpolation.Bicubic => 2,
        Interpolation.Lanczos => Lobes,
        _ => 1,
    };
    private double[] exact = [];

    /// <summary>Input samples the weights were built for; 0 before the first <see cref="Build"/>.</summary>
    public int Inputs { get; private set; }

    /// <summary>Output samples the weights were built for.</summary>
    public int Outputs => built.Count;

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
    /// Builds the weights from <paramref name="inputs"/> samples to some of the output's unless they are already there.
    /// </summary>
    public void Build(int inputs, AxisOutput output)
    {
        if (inputs == Inputs && output == built)
            return;
        int outputs = output.Count;
        double scale = (double)inputs / output.Length;
        double widening = Math.Max(scale, 1);
        double reach = support * widening;
        Stride = ((int)Math.Ceiling(reach) * 2) + 2;
        (Inputs, built) = (inputs, output);
        if (First.Length < outputs)
            (First, Taps) = (new int[outputs], new int[outputs]);
        if (Weights.Length < Stride * outputs)
        {
            Weights = new int[Stride * outputs];
            Pairs = new int[Stride * outputs];
        }
        if (exact.Length < Stride)
            exact = new double[Stride];
        double nearest = 0.5 * scale;
        for (int skipped = 0; skipped < output.First; skipped++)
            nearest += scale;
        for (int i = 0; i < outputs; i++)
        {
            // Where it takes one sample, Pillow steps from centre to centre, and so rounds the last bit otherwise.
            double center = interpolation == Interpolation.Nearest ? nearest : (output.First + i + 0.5) * scale;
            BuildOne(i, center, reach, 1 / widening);
            nearest += scale;
        }
    }

    private void BuildOne(int output, double center, double reach, double narrowing)
    {
        int first = Math.Max((int)(center - reach + 0.5), 0);
        int taps = Math.Min((int)(center + reach + 0.5), Inputs) - first;
        if (interpolation == Interpolation.Nearest)
            (first, taps) = (Math.Min((int)center, Inputs - 1), 1);
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

    private static double Sinc(double x) => x == 0 ? 1 : Math.Sin(Math.PI * x) / (Math.PI * x);

    private static int Pack(int first, int second) => (first & 0xFFFF) | (second << 16);

    private double Filter(double x)
    {
        x = Math.Abs(x);
        switch (interpolation)
        {
            case Interpolation.Nearest:
                return 1;
            case Interpolation.Bilinear:
                return x < 1 ? 1 - x : 0;
            case Interpolation.Lanczos:
                return x < Lobes ? Sinc(x) * Sinc(x / Lobes) : 0;
        }

        const double a = -0.5;
        if (x < 1)
            return ((((a + 2) * x) - (a + 3)) * x * x) + 1;
        return x < 2 ? ((((x - 5) * x) + 8) * x - 4) * a : 0;
    }
}

/// <summary>Which samples of a resized axis are made.</summary>
/// <param name="Length">Samples that the whole axis becomes.</param>
/// <param name="First">The first that is made.</param>
/// <param name="Count">How many are made.</param>
internal readonly record struct AxisOutput(int Length, int First, int Count)
{
    /// <summary>All of an axis.</summary>
    public static AxisOutput Whole(int length) => new(length, 0, length);
}

/// <summary>
/// The one kernel of both passes: <c>out[i] = clamp((2²¹ + Σ_t weight[t] · rows[t][i]) / 2²²)</c> over rows of bytes.
/// The sums are 32-bit and may be taken in any order, so every level gives the same bytes.
/// </summary>
internal static unsafe class WeightedSum
{
    private const int Half = 1 << (AxisWeights.FractionBits - 1);

    /// <param name="level">Instructions to use.</param>
    /// <param name="rows">First row; row t starts <paramref name="stride"/> · t bytes on.</param>
    /// <param name="stride">Bytes from one row to the next.</param>
    /// <param name="taps">Rows to sum. An odd number reads one row more and multiplies it by zero.</param>
    /// <param name="weights">Fixed-point weights [taps].</param>
    /// <param name="pairs">The same weights as split pairs, see <see cref="AxisWeights.Pairs"/>.</param>
    /// <param name="output">Sums [length].</param>
    /// <param name="length">Bytes in a row; a multiple of 16.</param>
    public static void Run(
        SimdLevel level,
        byte* rows,
        nint stride,
        int taps,
        int* weights,
        int* pairs,
        byte* output,
        int length
    )
    {
        Debug.Assert(length % 16 == 0, "Rows are padded to whole vectors.");
        switch (level)
        {
            case SimdLevel.Avx2:
                RunAvx2(rows, stride, (taps + 1) & ~1, pairs, output, length);
                break;
            case SimdLevel.Vector128:
                RunVector128(rows, stride, taps, weights, output, length);
                break;
            default:
                RunScalar(rows, stride, taps, weights, output, length);
                break;
        }
    }

    private static void RunScalar(byte* rows, nint stride, int taps, int* weights, byte* output, int length)
    {
        for (int i = 0; i < length; i++)
        {
            int sum = Half;
            for (int t = 0; t < taps; t++)
                sum += weights[t] * rows[(t * stride) + i];
            output[i] = (byte)Math.Clamp(sum >> AxisWeights.FractionBits, 0, 255);
        }
    }

    private static void RunVector128(byte* rows, nint stride, int taps, int* weights, byte* output, int length)
    {
        for (int i = 0; i < length; i += 16)
        {
            Vector128<int> a = Vector128.Create(Half),
                b = a,
                c = a,
                d = a;
            byte* row = rows + i;
            for (int t = 0; t < taps; t++, row += stride)
            {
                Vector128<int> weight = Vector128.Create(weights[t]);
                (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(Vector128.Load(row));
                a += Vector128.WidenLower(low).AsInt32() * weight;
                b += Vector128.WidenUpper(low).AsInt32() * weight;
                c += Vector128.WidenLower(high).AsInt32() * weight;
                d += Vector128.WidenUpper(high).AsInt32() * weight;
            }
            Vector128
                .Narrow(Vector128.Narrow(ToByte(a), ToByte(b)), Vector128.Narrow(ToByte(c), ToByte(d)))
                .Store(output + i);
        }
    }

    private static Vector128<uint> ToByte(Vector128<int> sum) =>
        Vector128
            .Min(Vector128.Max(sum >> AxisWeights.FractionBits, Vector128<int>.Zero), Vector128.Create(255))
            .AsUInt32();

    /// <summary>
    /// Two rows at a time: their bytes interleaved are the 16-bit pairs that one multiply-add (pmaddwd) multiplies and
    /// sums.
    /// </summary>
    private static void RunAvx2(byte* rows, nint stride, int taps, int* pairs, byte* output, int length)
    {
        for (int i = 0; i < length; i += 16)
        {
            Vector256<int> lowA = Vector256.Create(Half),
                lowB = lowA;
            Vector256<int> highA = Vector256<int>.Zero,
                highB = highA;
            byte* row = rows + i;
            for (int t = 0; t < taps; t += 2, row += 2 * stride)
            {
                Vector128<byte> first = Vector128.Load(row),
                    second = Vector128.Load(row + stride);
                Vector256<short> a = Avx2.ConvertToVector256Int16(Sse2.UnpackLow(first, second));
                Vector256<short> b = Avx2.ConvertToVector256Int16(Sse2.UnpackHigh(first, second));
                Vector256<short> high = Vector256.Create(pairs[t]).AsInt16(),
                    low = Vector256.Create(pairs[t + 1]).AsInt16();
                highA += Avx2.MultiplyAddAdjacent(a, high);
                lowA += Avx2.MultiplyAddAdjacent(a, low);
                highB += Avx2.MultiplyAddAdjacent(b, high);
                lowB += Avx2.MultiplyAddAdjacent(b, low);
            }
            Vector256<int> sumA = ((highA << AxisWeights.LowBits) + lowA) >> AxisWeights.FractionBits;
            Vector256<int> sumB = ((highB << AxisWeights.LowBits) + lowB) >> AxisWeights.FractionBits;
            Vector256<short> packed = Avx2.Permute4x64(Avx2.PackSignedSaturate(sumA, sumB).AsInt64(), 0b11_01_10_00)
                .AsInt16();
            Sse2.PackUnsignedSaturate(packed.GetLower(), packed.GetUpper()).Store(output + i);
        }
    }
}

/// <summary>The instructions a resize runs on. Every level gives the same bytes.</summary>
internal enum SimdLevel
{
    Scalar,

    /// <summary>16-byte vectors of any processor: NEON, SSE.</summary>
    Vector128,

    Avx2,
}

internal static class SimdLevels
{
    public static SimdLevel Best { get; } =
        Avx2.IsSupported ? SimdLevel.Avx2
        : Vector128.IsHardwareAccelerated ? SimdLevel.Vector128
        : SimdLevel.Scalar;
}
