using System.Numerics;
using System.Runtime.InteropServices;

namespace MlNetTransfer.Heads;

/// <summary>The update of AdamW; see <see cref="MlpLayer.Step"/>.</summary>
internal static class AdamW
{
    private const float Beta1 = 0.9f,
        Beta2 = 0.999f,
        Epsilon = 1e-8f;

    /// <summary>Updates the parameters and clears their gradient.</summary>
    public static void Step(
        Span<float> parameters,
        Span<float> gradient,
        Span<float> first,
        Span<float> second,
        int t,
        double rate,
        double decay
    )
    {
        float scale1 = (float)(rate / (1 - Math.Pow(Beta1, t))),
            scale2 = (float)(1 / (1 - Math.Pow(Beta2, t))),
            keep = (float)(1 - rate * decay);
        Span<Vector<float>> w = MemoryMarshal.Cast<float, Vector<float>>(parameters),
            g = MemoryMarshal.Cast<float, Vector<float>>(gradient);
        Span<Vector<float>> m = MemoryMarshal.Cast<float, Vector<float>>(first),
            v = MemoryMarshal.Cast<float, Vector<float>>(second);
        var epsilon = new Vector<float>(Epsilon);
        for (int i = 0; i < w.Length; i++)
        {
            m[i] = Beta1 * m[i] + (1 - Beta1) * g[i];
            v[i] = Beta2 * v[i] + (1 - Beta2) * g[i] * g[i];
            w[i] = keep * w[i] - scale1 * m[i] / (Vector.SquareRoot(scale2 * v[i]) + epsilon);
        }

        for (int i = w.Length * Vector<float>.Count; i < parameters.Length; i++)
        {
            first[i] = Beta1 * first[i] + (1 - Beta1) * gradient[i];
            second[i] = Beta2 * second[i] + (1 - Beta2) * gradient[i] * gradient[i];
            parameters[i] = keep * parameters[i] - scale1 * first[i] / (MathF.Sqrt(scale2 * second[i]) + Epsilon);
        }

        gradient.Clear();
    }
}
