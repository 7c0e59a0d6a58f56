namespace MlNetTransfer.Numerics;

/// <summary>
/// The operations of a vector width, so that one kernel serves them all; the just-in-time compiler makes each instance
/// straight vector code.
/// </summary>
/// <typeparam name="T">A hardware vector of float.</typeparam>
internal unsafe interface ILane<T>
    where T : struct
{
    static abstract int Count { get; }

    static abstract T Load(float* source);

    static abstract void Store(T value, float* target);

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
