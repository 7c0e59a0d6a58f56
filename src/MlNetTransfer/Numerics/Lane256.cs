using System.Runtime.Intrinsics;
using Lane = System.Runtime.Intrinsics.Vector256<float>;

namespace MlNetTransfer.Numerics;

/// <summary>Vectors of 256 bits.</summary>
internal readonly struct Lane256 : ILane<Lane>
{
    public static int Count => Lane.Count;

    public static Lane Load(ref float source, nint offset) => Vector256.LoadUnsafe(ref source, (nuint)offset);

    public static void Store(Lane value, ref float target, nint offset) => value.StoreUnsafe(ref target, (nuint)offset);

    public static Lane Broadcast(float value) => Vector256.Create(value);

    public static Lane MultiplyAdd(Lane a, Lane b, Lane addend) => Vector256.FusedMultiplyAdd(a, b, addend);

    public static Lane Add(Lane a, Lane b) => a + b;

    public static Lane Subtract(Lane a, Lane b) => a - b;

    public static Lane Multiply(Lane a, Lane b) => a * b;

    public static Lane Divide(Lane a, Lane b) => a / b;

    public static Lane Max(Lane a, Lane b) => Vector256.Max(a, b);

    public static Lane Exp(Lane value) => Vector256.Exp(value);

    public static float Sum(Lane value) => Vector256.Sum(value);
}
