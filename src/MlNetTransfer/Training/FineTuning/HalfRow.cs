using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace MlNetTransfer.Training;

/// <summary>
/// Rows of activations in half the space: IEEE half precision after division by a power of two, which keeps every row
/// in range without costing a bit.
/// </summary>
/// <remarks>
/// A packed row is the divisor as float32, then the halves, two to a float. The error is at most 2⁻¹¹ of a value, and
/// 2⁻²⁴ of the divisor where values underflow.
/// </remarks>
internal static class HalfRow
{
    private const float Largest = 32768;

    /// <summary>Floats that a packed row takes.</summary>
    public static int PackedLength(int length) => 1 + (length + 1) / 2;

    /// <summary>Packs a row.</summary>
    /// <param name="row">Finite values.</param>
    /// <param name="packed">Receives them [<see cref="PackedLength"/>].</param>
    public static void Pack(ReadOnlySpan<float> row, Span<float> packed)
    {
        float top = row.IsEmpty ? 0 : MathF.Abs(TensorPrimitives.MaxMagnitude(row)),
            scale = 1;
        while (top / scale > Largest)
            scale *= 2;
        packed[0] = scale;
        Span<Half> halves = MemoryMarshal.Cast<float, Half>(packed[1..]);
        halves[^1] = (Half)0f;
        if (scale == 1)
        {
            TensorPrimitives.ConvertToHalf(row, halves);
            return;
        }

        for (int i = 0; i < row.Length; i++)
            halves[i] = (Half)(row[i] / scale);
    }

    /// <summary>Unpacks a row.</summary>
    public static void Unpack(ReadOnlySpan<float> packed, Span<float> row)
    {
        TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<float, Half>(packed[1..])[..row.Length], row);
        if (packed[0] != 1)
            TensorPrimitives.Multiply(row, packed[0], row);
    }
}
