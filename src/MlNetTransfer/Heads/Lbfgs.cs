using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>
/// Minimises a smooth convex function by limited-memory BFGS (Nocedal and Wright, Numerical Optimization, algorithm
/// 7.5), turned inside out: the caller evaluates <see cref="Trial"/> and hands the value to <see cref="Advance"/>, so
/// that one pass over the rows can serve several minimisations.
/// </summary>
/// <remarks>
/// The step meets the weak Wolfe conditions (c1 = 1e-4, c2 = 0.9) by bracketing; the first trial of an iteration is the
/// full step.
/// </remarks>
internal sealed class Lbfgs(int length, int history)
{
    // Float32 logits leave about this much noise in the mean loss; a smaller increase says nothing.
    private const double Noise = 1e-7;

    // Nor can a gradient, a mean of products of float32 numbers near 1, be told from 0 below this.
    private const double SmallestGradient = 2e-6;
    private readonly List<(AlignedFloats Step, AlignedFloats Change, double Product)> pairs = [];
    private readonly AlignedFloats point = new(length),
        accepted = new(length),
        direction = new(length);
    private double loss,
        slope,
        step,
        low,
        high,
        tolerance;
    private bool started;
    private int trials,
        maxIterations;

    /// <summary>Where the function is to be evaluated next; the minimiser once <see cref="Done"/>.</summary>
    public AlignedFloats Trial { get; } = new(length);

    /// <summary>Where the caller puts the gradient at <see cref="Trial"/>.</summary>
    public AlignedFloats Gradient { get; } = new(length);

    public bool Done { get; private set; }

    public bool Converged { get; private set; }

    public int Iterations { get; private set; }

    public double Loss => loss;

    /// <summary>Largest component of the gradient at the last accepted point, in absolute value.</summary>
    public double GradientNorm { get; private set; }

    /// <summary>
    /// What the gradient is measured against: its largest component where the first start was made, unless set.
    /// </summary>
    public double Reference { get; set; }

    /// <summary>Starts at <see cref="Trial"/>, keeping what is known of the curvature.</summary>
    /// <param name="gradientTolerance">Done when no component of the gradient is larger than this times
    /// <see cref="Reference"/>.</param>
    /// <param name="iterations">Done after so many steps.</param>
    public void Start(double gradientTolerance, int iterations)
    {
        (tolerance, maxIterations, started, Done, Converged, Iterations) = (
            gradientTolerance,
            iterations,
            false,
            false,
            false,
            0
        );
    }

    /// <summary>Tells the curvature that the function has gained extra/2·‖x‖² over the first components.</summary>
    public void AddQuadratic(double extra, int components)
    {
        for (int i = 0; i < pairs.Count; i++)
        {
            (AlignedFloats s, AlignedFloats y, _) = pairs[i];
            Simd.AddScaled(y.Span[..components], (float)extra, s.Span[..components]);
            pairs[i] = (s, y, Simd.DotWide(s.Span, y.Span));
        }

        pairs.RemoveAll(pair => pair.Product <= 0);
    }

    /// <summary>Takes the value at <see cref="Trial"/>; its gradient is in <see cref="Gradient"/>.</summary>
    /// <param name="value">The function's value.</param>
    /// <param name="scale">Length of the very first step along the negative gradient: one over a guess of the
    /// curvature.</param>
    public void Advance(double value, double scale)
    {
        if (started && !Acceptable(value))
            return;
        if (started)
            Remember();
        (started, loss) = (true, value);
        Trial.Span.CopyTo(point.Span);
        Gradient.Span.CopyTo(accepted.Span);
        GradientNorm = Largest(accepted.Span);
        if (Reference == 0)
            Reference = GradientNorm;
        Converged = GradientNorm <= Math.Max(SmallestGradient, tolerance * Reference);
        Done = Converged || Iterations >= maxIterations;
        if (!Done)
            Descend(scale);
    }

    private bool Acceptable(double value)
    {
        double found = Simd.DotWide(Gradient.Span, direction.Span);
        bool descended = value <= loss + 1e-4 * step * slope + Noise * Math.Max(1, Math.Abs(loss));
        if (descended && found >= 0.9 * slope)
            return true;
        if (++trials > 30)
        {
            // No better point can be told from this one in float32.
            point.Span.CopyTo(Trial.Span);
            Done = true;
            return false;
        }

        if (descended)
            low = step;
        else
            high = step;
        double parabola = -slope * step * step / (2 * (value - loss - slope * step));
        step =
            double.IsPositiveInfinity(high) ? 2 * step
            : !descended && low == 0 && double.IsFinite(parabola) ? Math.Clamp(parabola, 0.1 * high, 0.9 * high)
            : 0.5 * (low + high);
        Move();
        return false;
    }

    private void Remember()
    {
        bool full = pairs.Count == history;
        AlignedFloats s = full ? pairs[0].Step : new(length),
            y = full ? pairs[0].Change : new(length);
        if (full)
            pairs.RemoveAt(0);
        Trial.Span.CopyTo(s.Span);
        Simd.AddScaled(s.Span, -1, point.Span);
        Gradient.Span.CopyTo(y.Span);
        Simd.AddScaled(y.Span, -1, accepted.Span);
        double product = Simd.DotWide(s.Span, y.Span);
        if (product > 1e-12 * Simd.DotWide(y.Span, y.Span))
            pairs.Add((s, y, product));
        Iterations++;
    }

    private void Descend(double scale)
    {
        Span<float> d = direction.Span;
        accepted.Span.CopyTo(d);
        Span<double> alpha = stackalloc double[pairs.Count];
        for (int i = pairs.Count - 1; i >= 0; i--)
        {
            alpha[i] = Simd.DotWide(pairs[i].Step.Span, d) / pairs[i].Product;
            Simd.AddScaled(d, (float)-alpha[i], pairs[i].Change.Span);
        }

        double first =
            pairs.Count == 0 ? scale : pairs[^1].Product / Simd.DotWide(pairs[^1].Change.Span, pairs[^1].Change.Span);
        foreach (ref float component in d)
            component *= (float)-first;
        for (int i = 0; i < pairs.Count; i++)
        {
            double beta = Simd.DotWide(pairs[i].Change.Span, d) / pairs[i].Product;
            Simd.AddScaled(d, (float)(-alpha[i] - beta), pairs[i].Step.Span);
        }

        (slope, step, low, high, trials) = (Simd.DotWide(accepted.Span, d), 1, 0, double.PositiveInfinity, 0);
        Move();
    }

    private void Move()
    {
        point.Span.CopyTo(Trial.Span);
        Simd.AddScaled(Trial.Span, (float)step, direction.Span);
    }

    private static double Largest(ReadOnlySpan<float> values)
    {
        float largest = 0;
        foreach (float value in values)
            largest = MathF.Max(largest, MathF.Abs(value));
        return largest;
    }
}
