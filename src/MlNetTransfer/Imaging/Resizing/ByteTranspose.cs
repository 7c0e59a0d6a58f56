using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace MlNetTransfer.Imaging.Resizing;

/// <summary>Transposes blocks of 16 x 16 bytes, which turns the horizontal pass into the vertical one.</summary>
internal static unsafe class ByteTranspose
{
    /// <summary>Bytes on a side of a block.</summary>
    public const int Side = 16;

    /// <summary>
    /// <c>output[i][j] = input[j][i]</c> for i, j in 0..15, rows being the given numbers of bytes apart.
    /// </summary>
    public static void Block(SimdLevel level, byte* input, nint inputStride, byte* output, nint outputStride)
    {
        if (level != SimdLevel.Scalar && (Sse2.IsSupported || AdvSimd.Arm64.IsSupported))
            BlockVector128(input, inputStride, output, outputStride);
        else
            BlockScalar(input, inputStride, output, outputStride);
    }

    private static void BlockScalar(byte* input, nint inputStride, byte* output, nint outputStride)
    {
        for (int i = 0; i < Side; i++)
        {
            for (int j = 0; j < Side; j++)
                output[(i * outputStride) + j] = input[(j * inputStride) + i];
        }
    }

    /// <summary>
    /// Four perfect shuffles: interleaving row i with row i + 8 rotates the eight bits of (row, column) by one, four
    /// turns swap the two.
    /// </summary>
    [SkipLocalsInit]
    private static void BlockVector128(byte* input, nint inputStride, byte* output, nint outputStride)
    {
        Vector128<byte>* a = stackalloc Vector128<byte>[Side];
        Vector128<byte>* b = stackalloc Vector128<byte>[Side];
        for (int i = 0; i < Side; i++)
            a[i] = Vector128.Load(input + (i * inputStride));
        Shuffle(a, b);
        Shuffle(b, a);
        Shuffle(a, b);
        Shuffle(b, a);
        for (int i = 0; i < Side; i++)
            a[i].Store(output + (i * outputStride));
    }

    private static void Shuffle(Vector128<byte>* from, Vector128<byte>* to)
    {
        for (int i = 0; i < Side / 2; i++)
        {
            to[2 * i] = InterleaveLow(from[i], from[i + 8]);
            to[(2 * i) + 1] = InterleaveHigh(from[i], from[i + 8]);
        }
    }

    private static Vector128<byte> InterleaveLow(Vector128<byte> a, Vector128<byte> b) =>
        Sse2.IsSupported ? Sse2.UnpackLow(a, b) : AdvSimd.Arm64.ZipLow(a, b);

    private static Vector128<byte> InterleaveHigh(Vector128<byte> a, Vector128<byte> b) =>
        Sse2.IsSupported ? Sse2.UnpackHigh(a, b) : AdvSimd.Arm64.ZipHigh(a, b);
}
