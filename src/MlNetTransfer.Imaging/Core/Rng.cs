using System.Buffers.Binary;
using System.Numerics;

namespace MlNetTransfer;

/// <summary>
/// xoshiro256** (Blackman and Vigna, Scrambled Linear Pseudorandom Number Generators, 2021), seeded through SplitMix64.
/// The same seed gives the same numbers on every platform and .NET version, which System.Random does not promise.
/// </summary>
internal sealed class Rng
{
    private ulong a,
        b,
        c,
        d;

    public Rng(int seed) => Start((uint)seed);

    /// <summary>
    /// Starts over at a state that is a hash of three keys: a stream for each triple, without an allocation.
    /// </summary>
    public void Restart(ulong first, ulong second, ulong third)
    {
        ulong state = first;
        state = SplitMix(ref state) ^ second;
        state = SplitMix(ref state) ^ third;
        Start(SplitMix(ref state));
    }

    public ulong NextBits()
    {
        ulong result = BitOperations.RotateLeft(b * 5, 7) * 9;
        ulong shifted = b << 17;
        c ^= a;
        d ^= b;
        b ^= c;
        a ^= d;
        c ^= shifted;
        d = BitOperations.RotateLeft(d, 45);
        return result;
    }

    /// <summary>
    /// Uniform in [0, limit), without bias: Lemire, Fast Random Integer Generation in an Interval, 2019.
    /// </summary>
    public int Next(int limit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ulong high = Math.BigMul(NextBits(), (ulong)limit, out ulong low);
        for (ulong threshold = (0 - (ulong)limit) % (ulong)limit; low < threshold; )
            high = Math.BigMul(NextBits(), (ulong)limit, out low);
        return (int)high;
    }

    /// <summary>Uniform bytes, eight of every draw, least first.</summary>
    public void Fill(Span<byte> bytes)
    {
        Span<byte> last = stackalloc byte[8];
        for (; bytes.Length >= 8; bytes = bytes[8..])
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, NextBits());
        if (bytes.Length == 0)
            return;
        BinaryPrimitives.WriteUInt64LittleEndian(last, NextBits());
        last[..bytes.Length].CopyTo(bytes);
    }

    /// <summary>Uniform in [0, 1), a multiple of 2⁻⁵³.</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>
    /// Standard normal by Box and Muller; the second value of each pair is not kept, so that the state is the seed and
    /// the count alone.
    /// </summary>
    public double NextNormal()
    {
        double radius = Math.Sqrt(-2 * Math.Log(1 - NextDouble()));
        return radius * Math.Cos(2 * Math.PI * NextDouble());
    }

    /// <summary>
    /// Beta(a, b), a and b above 0: the share of one gamma variate in the sum of two, taken in logarithms so that small
    /// shapes do not underflow to 0/0.
    /// </summary>
    public double NextBeta(double a, double b)
    {
        double first = NextLogGamma(a),
            second = NextLogGamma(b);
        return 1 / (1 + Math.Exp(second - first));
    }

    /// <summary>
    /// Logarithm of a gamma variate of scale 1 (Marsaglia and Tsang, A Simple Method for Generating Gamma Variables,
    /// 2000); below shape 1 that of shape + 1 times U^(1/shape).
    /// </summary>
    private double NextLogGamma(double shape)
    {
        if (shape < 1)
            return NextLogGamma(shape + 1) + (Math.Log(1 - NextDouble()) / shape);
        double d = shape - (1.0 / 3),
            c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            double x = NextNormal(),
                root = 1 + (c * x);
            if (root <= 0)
                continue;
            double v = root * root * root;
            if (Math.Log(1 - NextDouble()) < (0.5 * x * x) + d - (d * v) + (d * Math.Log(v)))
                return Math.Log(d * v);
        }
    }

    /// <summary>Fisher and Yates: every order equally likely.</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            int j = Next(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    private void Start(ulong state) =>
        (a, b, c, d) = (SplitMix(ref state), SplitMix(ref state), SplitMix(ref state), SplitMix(ref state));

    private static ulong SplitMix(ref ulong state)
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
