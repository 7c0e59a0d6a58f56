namespace MlNetTransfer.Numerics;

/// <summary>
/// The operations of a vector width, so that one kernel serves them all; the just-in-time compiler makes each instance
/// straight vector code.
/// </summary>
/// <typeparam name="T">A hardware vector of float.</typeparam>
internal interface ILane<T>
    where T : struct
{
    static abstract int Count { get; }

    /// <summary>The vector that begins <paramref name="offset"/> floats after <paramref name="source"/>.</summary>
    static abstract T Load(ref float source, nint offset);

    /// <summary>Writes it <paramref name="offset"/> floats after <paramref name="target"/>.</summary>
    static abstract void Store(T value, ref float target, nint offset);

    static abstract T Broadcast(float value);

    static abstract T MultiplyAdd(T a, T b, T addend);

    static abstract T Add(T a, T b);

    static abstract T Subtract(T a, T b);

    static abstract T Multiply(T a, T b);

    static abstract T Divide(T a, T b);

    static abstract T Max(T a, T b);

    static abstract T Exp(T value);

    static abstract float Sum(T value);
}
