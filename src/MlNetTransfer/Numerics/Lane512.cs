using System.Runtime.Intrinsics;
using Lane = System.Runtime.Intrinsics.Vector512<float>;

namespace MlNetTransfer.Numerics;

/// <summary>Vectors of 512 bits.</summary>
internal readonly struct Lane512 : ILane<Lane>
{
    public static int Count => Lane.Count;

    public static Lane Load(ref float source, nint offset) => Vector512.LoadUnsafe(ref source, (nuint)offset);

    public static void Store(Lane value, ref float target, nint offset) => value.StoreUnsafe(ref target, (nuint)offset);

    public static Lane Broadcast(float value) => Vector512.Create(value);

    public static Lane MultiplyAdd(Lane a, Lane b, Lane addend) => Vector512.FusedMultiplyAdd(a, b, addend);

    public static Lane Add(Lane a, Lane b) => a + b;

    public static Lane Subtract(Lane a, Lane b) => a - b;

    public static Lane Multiply(Lane a, Lane b) => a * b;

    public static Lane Divide(Lane a, Lane b) => a / b;

    public static Lane Max(Lane a, Lane b) => Vector512.Max(a, b);

    public static Lane Exp(Lane value) => Vector512.Exp(value);

    public static float Sum(Lane value) => Vector512.Sum(value);
}
