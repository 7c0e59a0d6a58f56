using System.Diagnostics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MlNetTransfer.Imaging.Resizing;

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
