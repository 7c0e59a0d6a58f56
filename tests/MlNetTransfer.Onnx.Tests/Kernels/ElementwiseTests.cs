using MlNetTransfer.Onnx.Kernels;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Tests.Kernels;

[TestClass]
public sealed class ElementwiseTests
{
    /// <summary>
    /// Each operator against .NET's own in float64; float32 has 2⁻²⁴ of a value, functions have two or three of them,
    /// and the error function has 1.5e-7 on top.
    /// </summary>
    [TestMethod]
    public void Run_EveryOperator_IsItsFormula()
    {
        Dictionary<ElementwiseOperator, Func<double, double, double>> formulas = new()
        {
            [ElementwiseOperator.Add] = (a, b) => a + b,
            [ElementwiseOperator.Subtract] = (a, b) => a - b,
            [ElementwiseOperator.Multiply] = (a, b) => a * b,
            [ElementwiseOperator.Divide] = (a, b) => a / b,
            [ElementwiseOperator.Maximum] = Math.Max,
            [ElementwiseOperator.Minimum] = Math.Min,
            [ElementwiseOperator.Negate] = (a, _) => -a,
            [ElementwiseOperator.Exp] = (a, _) => Math.Exp(a),
            [ElementwiseOperator.SquareRoot] = (a, _) => Math.Sqrt(a),
            [ElementwiseOperator.Reciprocal] = (a, _) => 1 / a,
            [ElementwiseOperator.Sigmoid] = (a, _) => 1 / (1 + Math.Exp(-a)),
            [ElementwiseOperator.Absolute] = (a, _) => Math.Abs(a),
            [ElementwiseOperator.Erf] = (a, _) => Erf(a),
            [ElementwiseOperator.HardSigmoid] = (a, _) => Math.Clamp(0.3f * a - 0.4f, 0, 1),
            [ElementwiseOperator.Clip] = (a, _) => Math.Clamp(a, -0.4f, 0.3f),
            [ElementwiseOperator.AddNumber] = (a, _) => a + 0.3f,
            [ElementwiseOperator.SubtractFromNumber] = (a, _) => 0.3f - a,
            [ElementwiseOperator.MultiplyNumber] = (a, _) => a * 0.3f,
            [ElementwiseOperator.DivideNumber] = (a, _) => 0.3f / a,
            [ElementwiseOperator.Square] = (a, _) => a * a,
            [ElementwiseOperator.Gate] = (a, b) => b > -0.4f && b < 0.3f ? a : 0,
        };
        foreach (ElementwiseOperator what in Enum.GetValues<ElementwiseOperator>())
        {
            (float alpha, float beta) = what switch
            {
                ElementwiseOperator.Clip or ElementwiseOperator.Gate => (-0.4f, 0.3f),
                ElementwiseOperator.HardSigmoid => (0.3f, -0.4f),
                _ => (0.3f, 0f),
            };
            foreach (int length in (int[])[1, 7, 8, 1023, 2050])
            {
                float[] a = Draw(length, 1, what == ElementwiseOperator.SquareRoot),
                    b = Draw(length, 2, isPositive: false);
                float[] found = Run(
                    new ElementwiseProgram([length], [default, default], 0, [new(what, 0, 1, 2, alpha, beta)]),
                    (a, [length]),
                    (b, [length])
                );
                for (int i = 0; i < length; i++)
                {
                    double right = formulas[what](a[i], b[i]);
                    Assert.AreEqual(
                        right,
                        found[i],
                        (what == ElementwiseOperator.Erf ? 6e-7 : 4e-7) * Math.Max(0.5, Math.Abs(right)),
                        $"{what} of {a[i]} and {b[i]}"
                    );
                }
            }
        }
    }

    /// <summary>Numbers that are none stay so, and the ends of the exponential are 0 and infinite.</summary>
    [TestMethod]
    public void Run_Ends_AreThoseOfTheFunctions()
    {
        float[] x = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 200, -200, 88.7f, -87, 0];
        float[] Of(ElementwiseOperator what) =>
            Run(new ElementwiseProgram([8], [default], 0, [new(what, 0, 0, 1, 0, 0)]), (x, [8]));
        float[] exp = Of(ElementwiseOperator.Exp),
            sigmoid = Of(ElementwiseOperator.Sigmoid),
            erf = Of(ElementwiseOperator.Erf);
        CollectionAssert.AreEqual(
            new float[] { float.NaN, float.PositiveInfinity, 0, float.PositiveInfinity, 0 },
            exp[..5]
        );
        Assert.AreEqual(Math.Exp(88.7f), exp[5], 2e-7 * Math.Exp(88.7f));
        Assert.AreEqual(Math.Exp(-87), exp[6], 2e-7 * Math.Exp(-87));
        CollectionAssert.AreEqual(new float[] { float.NaN, 1, 0, 1, 0 }, sigmoid[..5]);
        CollectionAssert.AreEqual(new float[] { float.NaN, 1, -1, 1, -1, 1, -1, 0 }, erf);
    }

    /// <summary>Numbers too small for a whole mantissa are as near as they can be: 1.4e-45 is the smallest.</summary>
    [TestMethod]
    public void Run_ExpOfLargeNegatives_FallsOffGradually()
    {
        float[] x = [-87.5f, -90, -95, -100, -103, -103.9f, -104, -110];
        float[] found = Run(
            new ElementwiseProgram([8], [default], 0, [new(ElementwiseOperator.Exp, 0, 0, 1, 0, 0)]),
            (x, [8])
        );
        for (int i = 0; i < x.Length; i++)
            Assert.AreEqual(Math.Exp(x[i]), found[i], 1.5e-45 + 2e-7 * Math.Exp(x[i]), $"exp({x[i]})");
    }

    /// <summary>As PyTorch has it: what is no number is not held back, nor is infinity by a bound that is none.</summary>
    [TestMethod]
    public void Run_GateOfNoNumbers_LetsThrough()
    {
        float[] a = [1, 2, 3, 4, 5, 6, 7, 8],
            b = [float.NaN, float.PositiveInfinity, 0, -1, 1, float.NegativeInfinity, 2, float.NaN];
        float[] Of(float low, float high, int length) =>
            Run(ElementwiseProgram.Gate([length], low, high), (a[..length], [length]), (b[..length], [length]));
        CollectionAssert.AreEqual(new float[] { 1, 2, 0, 0, 5, 0, 7, 8 }, Of(0, float.PositiveInfinity, 8));
        CollectionAssert.AreEqual(new float[] { 1, 0, 3, 4, 5, 6, 0, 8 }, Of(float.NegativeInfinity, 2, 8));
        CollectionAssert.AreEqual(new float[] { 1, 2, 0, 0, 5 }, Of(0, float.PositiveInfinity, 5));
    }

    /// <summary>A large result is written past the cache; its end is no whole vector.</summary>
    [TestMethod]
    public void Run_LargeTensor_IsWhole()
    {
        int length = (int)Streamed.Least + 1029;
        float[] a = Draw(length, 1, false),
            b = Draw(length, 2, false);
        float[] found = Run(
            new ElementwiseProgram([length], [default, default], 0, [new(ElementwiseOperator.Add, 0, 1, 2, 0, 0)]),
            (a, [length]),
            (b, [length])
        );
        CollectionAssert.AreEqual(a.Zip(b, (x, y) => x + y).ToArray(), found);
    }

    [TestMethod]
    public void Run_RepeatedInputs_AreRead()
    {
        const int N = 3,
            C = 5,
            P = 700;
        float[] whole = Draw(N * C * P, 1, false),
            channel = Draw(C, 2, false),
            map = Draw(N * C, 3, false),
            last = Draw(P, 4, false),
            one = Draw(1, 5, false);
        long[] shape = [N, C, P];
        ElementwiseProgram program = new(
            shape,
            [
                default,
                Repetition.Of([C, 1], shape)!.Value,
                Repetition.Of([N, C, 1], shape)!.Value,
                Repetition.Of([P], shape)!.Value,
                Repetition.Of([1, 1], shape)!.Value,
            ],
            1,
            [
                new(ElementwiseOperator.Multiply, 0, 1, 5, 0, 0),
                new(ElementwiseOperator.Add, 5, 2, 5, 0, 0),
                new(ElementwiseOperator.Multiply, 5, 3, 5, 0, 0),
                new(ElementwiseOperator.Add, 5, 4, 6, 0, 0),
            ]
        );
        float[] found = Run(program, (whole, shape), (channel, [C, 1]), (map, [N, C, 1]), (last, [P]), (one, [1, 1]));
        for (int e = 0; e < found.Length; e++)
            Assert.AreEqual(
                (whole[e] * channel[e / P % C] + map[e / P]) * last[e % P] + one[0],
                found[e],
                1e-6,
                $"element {e}"
            );
    }

    [TestMethod]
    public void Of_ShapesThatAreNoRepetition_AreRefused()
    {
        Assert.IsNull(Repetition.Of([2, 1, 4], [2, 3, 4]));
        Assert.IsNull(Repetition.Of([3], [2, 3, 4]));
        Assert.IsNull(Repetition.Of([1, 2, 3, 4], [2, 3, 4]));
        Assert.AreEqual(new Repetition(12, 2), Repetition.Of([2, 1, 1], [2, 3, 4]));
        Assert.AreEqual(new Repetition(4, 6), Repetition.Of([2, 3, 1], [2, 3, 4]));
        Assert.AreEqual(new Repetition(4, 3), Repetition.Of([1, 3, 1], [2, 3, 4]));
        Assert.AreEqual(new Repetition(1, 12), Repetition.Of([3, 4], [2, 3, 4]));
        Assert.AreEqual(new Repetition(1, 1), Repetition.Of([1], [2, 3, 4]));
        Assert.IsTrue(Repetition.Of([2, 3, 4], [2, 3, 4])!.Value.IsWhole);
    }

    private static float[] Run(ElementwiseProgram program, params (float[] Values, long[] Shape)[] inputs)
    {
        NodeProto node = program.ToNode(inputs.Select((_, i) => $"in{i}"), "out");
        Assert.AreEqual(program.Steps.Count, ElementwiseProgram.Of(node).Steps.Count);
        return KernelGraph.Run(
            node,
            [
                [.. program.Shape],
            ],
            2,
            inputs
        )[0];
    }

    private static float[] Draw(int length, int seed, bool isPositive)
    {
        Random random = new(seed);
        return
        [
            .. Enumerable
                .Range(0, length)
                .Select(_ => isPositive ? random.NextSingle() * 3 : random.NextSingle() * 6 - 3),
        ];
    }

    /// <summary>2/√π · Σ (-1)ⁿ x²ⁿ⁺¹ / (n! (2n + 1)), which is exact to 1e-12 for |x| ≤ 3.</summary>
    private static double Erf(double x)
    {
        double sum = 0,
            power = x;
        for (int n = 0; n < 60; n++)
        {
            sum += power / (2 * n + 1);
            power *= -x * x / (n + 1);
        }

        return sum * 2 / Math.Sqrt(Math.PI);
    }
}
