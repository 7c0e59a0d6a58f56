using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MlNetTransfer.Onnx.Kernels;

/// <summary>Operators of an <see cref="ElementwiseProgram"/>; their numbers stand in graphs.</summary>
internal enum ElementwiseOperator
{
    Add,
    Subtract,
    Multiply,
    Divide,
    Maximum,
    Minimum,
    Negate,
    Exp,
    SquareRoot,
    Reciprocal,
    Sigmoid,
    Absolute,
    Erf,

    /// <summary>α·a + β, held in [0, 1].</summary>
    HardSigmoid,

    /// <summary>a held in [α, β].</summary>
    Clip,

    /// <summary>a + α.</summary>
    AddNumber,

    /// <summary>α - a.</summary>
    SubtractFromNumber,

    /// <summary>α · a.</summary>
    MultiplyNumber,

    /// <summary>α / a.</summary>
    DivideNumber,

    /// <summary>a².</summary>
    Square,

    /// <summary>a where α &lt; b &lt; β, else 0.</summary>
    Gate,
}

/// <summary>One operator on a piece of its operands.</summary>
/// <param name="Operator">Which.</param>
/// <param name="A">First operand: inputs, then registers, then the output.</param>
/// <param name="B">Second operand, where it has two.</param>
/// <param name="Into">Where the result goes.</param>
/// <param name="Alpha">Its first number.</param>
/// <param name="Beta">Its second number.</param>
internal sealed unsafe record ElementwiseStep(
    ElementwiseOperator Operator,
    int A,
    int B,
    int Into,
    float Alpha,
    float Beta
)
{
    public void Run(float** operands, int count)
    {
        ReadOnlySpan<float> a = new(operands[A], count),
            b = new(operands[B], count);
        Span<float> into = new(operands[Into], count);
        switch (Operator)
        {
            case ElementwiseOperator.Add:
                TensorPrimitives.Add(a, b, into);
                break;
            case ElementwiseOperator.Subtract:
                TensorPrimitives.Subtract(a, b, into);
                break;
            case ElementwiseOperator.Multiply:
                TensorPrimitives.Multiply(a, b, into);
                break;
            case ElementwiseOperator.Divide:
                TensorPrimitives.Divide(a, b, into);
                break;
            case ElementwiseOperator.Maximum:
                TensorPrimitives.Max(a, b, into);
                break;
            case ElementwiseOperator.Minimum:
                TensorPrimitives.Min(a, b, into);
                break;
            case ElementwiseOperator.AddNumber:
                TensorPrimitives.Add(a, Alpha, into);
                break;
            case ElementwiseOperator.SubtractFromNumber:
                TensorPrimitives.Subtract(Alpha, a, into);
                break;
            case ElementwiseOperator.MultiplyNumber:
                TensorPrimitives.Multiply(a, Alpha, into);
                break;
            case ElementwiseOperator.DivideNumber:
                TensorPrimitives.Divide(Alpha, a, into);
                break;
            case ElementwiseOperator.Square:
                TensorPrimitives.Multiply(a, a, into);
                break;
            case ElementwiseOperator.Gate:
                Gate(a, b, Alpha, Beta, into);
                break;
            default:
                OfOne(a, into);
                break;
        }
    }

    private void OfOne(ReadOnlySpan<float> a, Span<float> into)
    {
        switch (Operator)
        {
            case ElementwiseOperator.Negate:
                TensorPrimitives.Negate(a, into);
                break;
            case ElementwiseOperator.Exp:
                VectorFunctions.Exp(a, into);
                break;
            case ElementwiseOperator.SquareRoot:
                TensorPrimitives.Sqrt(a, into);
                break;
            case ElementwiseOperator.Reciprocal:
                TensorPrimitives.Divide(1f, a, into);
                break;
            case ElementwiseOperator.Sigmoid:
                VectorFunctions.Sigmoid(a, into);
                break;
            case ElementwiseOperator.Absolute:
                TensorPrimitives.Abs(a, into);
                break;
            case ElementwiseOperator.Erf:
                VectorFunctions.Erf(a, into);
                break;
            case ElementwiseOperator.HardSigmoid:
                TensorPrimitives.Multiply(a, Alpha, into);
                if (Beta != 0)
                    TensorPrimitives.Add(into, Beta, into);
                Hold(into, 0, 1, into);
                break;
            case ElementwiseOperator.Clip:
                Hold(a, Alpha, Beta, into);
                break;
            default:
                throw new InvalidOperationException($"{Operator} is not known.");
        }
    }

    /// <summary>a where b lies between two bounds, else 0.</summary>
    public static void Gate(ReadOnlySpan<float> a, ReadOnlySpan<float> b, float low, float high, Span<float> into)
    {
        // No number is below or above NaN, so that a bound that is none lets infinity through, and NaN passes any.
        low = float.IsInfinity(low) ? float.NaN : low;
        high = float.IsInfinity(high) ? float.NaN : high;
        Vector256<float> lows = Vector256.Create(low),
            highs = Vector256.Create(high);
        int i = 0;
        for (; i <= a.Length - 8; i += 8)
        {
            var by = Vector256.Create(b[i..]);
            Vector256<float> closed = Vector256.LessThanOrEqual(by, lows) | Vector256.GreaterThanOrEqual(by, highs);
            Vector256.AndNot(Vector256.Create(a[i..]), closed).CopyTo(into[i..]);
        }

        for (; i < a.Length; i++)
            into[i] = b[i] <= low || b[i] >= high ? 0 : a[i];
    }

    /// <summary>a held between two bounds.</summary>
    public static void Hold(ReadOnlySpan<float> a, float low, float high, Span<float> into)
    {
        Vector256<float> lows = Vector256.Create(low),
            highs = Vector256.Create(high);
        int i = 0;
        for (; i <= a.Length - 8; i += 8)
            Vector256.Min(Vector256.Max(Vector256.Create(a[i..]), lows), highs).CopyTo(into[i..]);
        for (; i < a.Length; i++)
            into[i] = MathF.Min(MathF.Max(a[i], low), high);
    }
}

/// <summary>Functions of a vector at a time that .NET lacks, or has only slower.</summary>
internal static class VectorFunctions
{
    private const int Width = 8;

    /// <summary>e to the power of each number; at most two units in the last place off.</summary>
    public static void Exp(ReadOnlySpan<float> x, Span<float> into)
    {
        int i = 0;
        for (; i <= x.Length - Width; i += Width)
            Exp(Vector256.Create(x[i..])).CopyTo(into[i..]);
        if (i < x.Length)
            Rest(x[i..], into[i..], Exp);
    }

    /// <summary>1 / (1 + e to the power of -x).</summary>
    public static void Sigmoid(ReadOnlySpan<float> x, Span<float> into)
    {
        int i = 0;
        for (; i <= x.Length - Width; i += Width)
            Sigmoid(Vector256.Create(x[i..])).CopyTo(into[i..]);
        if (i < x.Length)
            Rest(x[i..], into[i..], Sigmoid);
    }

    /// <summary>
    /// erf(x) = 2/√π · ∫ from 0 to x of exp(-t²) dt: the series below 1/2, and above it Abramowitz and Stegun, Handbook
    /// of Mathematical Functions, 7.1.26, whose error is below 1.5e-7.
    /// </summary>
    public static void Erf(ReadOnlySpan<float> x, Span<float> into)
    {
        int i = 0;
        for (; i <= x.Length - Width; i += Width)
            Erf(Vector256.Create(x[i..])).CopyTo(into[i..]);
        if (i < x.Length)
            Rest(x[i..], into[i..], Erf);
    }

    private static void Rest(ReadOnlySpan<float> x, Span<float> into, Func<Vector256<float>, Vector256<float>> function)
    {
        Span<float> rest = stackalloc float[Width];
        x.CopyTo(rest);
        function(Vector256.Create(rest)).CopyTo(rest);
        rest[..x.Length].CopyTo(into);
    }

    /// <summary>2ⁿ · eʳ with n = x / ln 2 rounded, so that |r| ≤ ½ ln 2, and Taylor's series of eʳ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Exp(Vector256<float> x)
    {
        // Beyond them the result is 0 or infinite.
        Vector256<float> held = Vector256.Min(Vector256.Max(x, Vector256.Create(-103.98f)), Vector256.Create(88.73f)),
            n = Vector256.Round(held * 1.44269504f);
        // ln 2 in two parts, of which the first has so few digits that n times it is exact.
        Vector256<float> r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-0.693359375f), held);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(2.12194440e-4f), r);
        Vector256<float> series = Chain(r, 1 / 6f, 1 / 24f, 1 / 120f, 1 / 720f, 1 / 5040f, 0);
        series = Vector256.FusedMultiplyAdd(series, r, Vector256.Create(0.5f));
        series = Vector256.FusedMultiplyAdd(series, r, Vector256<float>.One);
        series = Vector256.FusedMultiplyAdd(series, r, Vector256<float>.One);
        // 2ⁿ in two factors: one alone is no number at both ends.
        Vector256<int> power = Vector256.ConvertToInt32(n),
            half = power >> 1;
        return series * Power(half) * Power(power - half);
    }

    /// <summary>2ⁿ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Power(Vector256<int> n) => ((n + Vector256.Create(127)) << 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Sigmoid(Vector256<float> x) =>
        Vector256<float>.One / (Vector256<float>.One + Exp(-x));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Erf(Vector256<float> x)
    {
        Vector256<float> size = Vector256.Abs(x),
            square = x * x;
        Vector256<float> small =
            x * Chain(square, 1.1283792f, -0.37612639f, 0.11283792f, -0.026866170f, 5.2239776e-3f, -8.5483270e-4f);
        Vector256<float> t =
            Vector256<float>.One / Vector256.FusedMultiplyAdd(size, Vector256.Create(0.3275911f), Vector256<float>.One);
        Vector256<float> tail =
            t * Chain(t, 0.254829592f, -0.284496736f, 1.421413741f, -1.453152027f, 1.061405429f, 0) * Exp(-square);
        Vector256<float> large = Vector256.CopySign(Vector256<float>.One - tail, x);
        return Vector256.ConditionalSelect(Vector256.LessThan(size, Vector256.Create(0.5f)), small, large);
    }

    /// <summary>a + b·x + c·x² + d·x³ + e·x⁴ + f·x⁵.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Chain(Vector256<float> x, float a, float b, float c, float d, float e, float f)
    {
        Vector256<float> sum = Vector256.FusedMultiplyAdd(Vector256.Create(f), x, Vector256.Create(e));
        sum = Vector256.FusedMultiplyAdd(sum, x, Vector256.Create(d));
        sum = Vector256.FusedMultiplyAdd(sum, x, Vector256.Create(c));
        sum = Vector256.FusedMultiplyAdd(sum, x, Vector256.Create(b));
        return Vector256.FusedMultiplyAdd(sum, x, Vector256.Create(a));
    }
}
