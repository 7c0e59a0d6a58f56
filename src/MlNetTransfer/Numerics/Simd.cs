using System.Numerics;
using System.Runtime.InteropServices;

namespace MlNetTransfer.Numerics;

/// <summary>Vector loops over spans, at the machine's own vector width.</summary>
internal static class Simd
{
    /// <summary>Σ a·b in float32, over four interleaved partial sums.</summary>
    public static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        ReadOnlySpan<Vector<float>> va = MemoryMarshal.Cast<float, Vector<float>>(a),
            vb = MemoryMarshal.Cast<float, Vector<float>>(b);
        Vector<float> s0 = default,
            s1 = default,
            s2 = default,
            s3 = default;
        int i = 0;
        for (; i + 4 <= va.Length && i + 4 <= vb.Length; i += 4)
        {
            s0 = Vector.FusedMultiplyAdd(va[i], vb[i], s0);
            s1 = Vector.FusedMultiplyAdd(va[i + 1], vb[i + 1], s1);
            s2 = Vector.FusedMultiplyAdd(va[i + 2], vb[i + 2], s2);
            s3 = Vector.FusedMultiplyAdd(va[i + 3], vb[i + 3], s3);
        }

        for (; i < va.Length; i++)
            s0 = Vector.FusedMultiplyAdd(va[i], vb[i], s0);
        float sum = Vector.Sum(s0 + s1 + (s2 + s3));
        for (int j = va.Length * Vector<float>.Count; j < a.Length; j++)
            sum += a[j] * b[j];
        return sum;
    }

    /// <summary>Σ a·b with every product and sum in double.</summary>
    public static double DotWide(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        ReadOnlySpan<Vector<float>> va = MemoryMarshal.Cast<float, Vector<float>>(a),
            vb = MemoryMarshal.Cast<float, Vector<float>>(b);
        Vector<double> low = default,
            high = default;
        for (int i = 0; i < va.Length; i++)
        {
            Vector.Widen(va[i], out Vector<double> a0, out Vector<double> a1);
            Vector.Widen(vb[i], out Vector<double> b0, out Vector<double> b1);
            low = Vector.FusedMultiplyAdd(a0, b0, low);
            high = Vector.FusedMultiplyAdd(a1, b1, high);
        }

        double sum = Vector.Sum(low + high);
        for (int j = va.Length * Vector<float>.Count; j < a.Length; j++)
            sum += (double)a[j] * b[j];
        return sum;
    }

    /// <summary>Σ a·b in double.</summary>
    public static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        ReadOnlySpan<Vector<double>> va = MemoryMarshal.Cast<double, Vector<double>>(a),
            vb = MemoryMarshal.Cast<double, Vector<double>>(b);
        Vector<double> s0 = default,
            s1 = default;
        int i = 0;
        for (; i + 2 <= va.Length; i += 2)
        {
            s0 = Vector.FusedMultiplyAdd(va[i], vb[i], s0);
            s1 = Vector.FusedMultiplyAdd(va[i + 1], vb[i + 1], s1);
        }

        for (; i < va.Length; i++)
            s0 = Vector.FusedMultiplyAdd(va[i], vb[i], s0);
        double sum = Vector.Sum(s0 + s1);
        for (int j = va.Length * Vector<double>.Count; j < a.Length; j++)
            sum += a[j] * b[j];
        return sum;
    }

    /// <summary>target += scale · source.</summary>
    public static void AddScaled(Span<float> target, float scale, ReadOnlySpan<float> source)
    {
        Span<Vector<float>> vt = MemoryMarshal.Cast<float, Vector<float>>(target);
        ReadOnlySpan<Vector<float>> vs = MemoryMarshal.Cast<float, Vector<float>>(source);
        var factor = new Vector<float>(scale);
        for (int i = 0; i < vt.Length; i++)
            vt[i] = Vector.FusedMultiplyAdd(factor, vs[i], vt[i]);
        for (int j = vt.Length * Vector<float>.Count; j < target.Length; j++)
            target[j] = MathF.FusedMultiplyAdd(scale, source[j], target[j]);
    }

    /// <summary>target += scale · source, in double.</summary>
    public static void AddScaled(Span<double> target, double scale, ReadOnlySpan<double> source)
    {
        Span<Vector<double>> vt = MemoryMarshal.Cast<double, Vector<double>>(target);
        ReadOnlySpan<Vector<double>> vs = MemoryMarshal.Cast<double, Vector<double>>(source);
        var factor = new Vector<double>(scale);
        for (int i = 0; i < vt.Length; i++)
            vt[i] = Vector.FusedMultiplyAdd(factor, vs[i], vt[i]);
        for (int j = vt.Length * Vector<double>.Count; j < target.Length; j++)
            target[j] = Math.FusedMultiplyAdd(scale, source[j], target[j]);
    }
}
