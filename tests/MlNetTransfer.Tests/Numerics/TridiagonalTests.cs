using MlNetTransfer.Numerics;

namespace MlNetTransfer.Tests.Numerics;

[TestClass]
public sealed class TridiagonalTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(40)]
    [DataRow(260)]
    public void Solve_ShiftedMatrix_LeavesNoResidual(int n)
    {
        double[][] a = Matrix(n, n + 3);
        Tridiagonal form = Tridiagonal.Of([.. a.Select(row => (double[])row.Clone())], new ParallelOptions());
        var rng = new Rng(5);
        double[] b = [.. Enumerable.Range(0, n).Select(_ => rng.NextNormal())];
        foreach (double alpha in (double[])[0.01, 1, 100])
        {
            double[] x = [.. b];
            form.MultiplyQ(x);
            Tridiagonal.Solve(form.Factor(alpha), x);
            form.MultiplyTransposedQ(x);
            for (int i = 0; i < n; i++)
                Assert.AreEqual(
                    b[i],
                    alpha * x[i] + a[i].Zip(x, (u, v) => u * v).Sum(),
                    1e-9,
                    "condition up to 1e5, sums of n doubles"
                );
        }
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Of_LowRank_KeepsLengths(bool zero)
    {
        // Rank 3 of 30, or no rank at all: reflectors of vanishing vectors must stay finite.
        double[][] a = zero ? [.. Enumerable.Range(0, 30).Select(_ => new double[30])] : Matrix(30, 3);
        Tridiagonal form = Tridiagonal.Of(a, new ParallelOptions());
        double[] x = [.. Enumerable.Range(0, 30).Select(i => (double)i)],
            y = [.. x];
        form.MultiplyQ(y);
        Assert.AreEqual(x.Sum(v => v * v), y.Sum(v => v * v), 1e-8, "orthogonal");
        form.MultiplyTransposedQ(y);
        for (int i = 0; i < 30; i++)
            Assert.AreEqual(x[i], y[i], 1e-11, "QᵀQ = I");
    }

    [TestMethod]
    public void Of_AnyNumberOfWorkers_GivesTheSameBytes()
    {
        double[][] solved =
        [
            .. new[] { 1, 4 }.Select(workers =>
            {
                Tridiagonal form = Tridiagonal.Of(
                    Matrix(260, 263),
                    new ParallelOptions { MaxDegreeOfParallelism = workers }
                );
                double[] x = [.. Enumerable.Range(0, 260).Select(i => (double)i)];
                form.MultiplyQ(x);
                Tridiagonal.Solve(form.Factor(0.5), x);
                return x;
            }),
        ];
        CollectionAssert.AreEqual(solved[0], solved[1]);
    }

    // M·Mᵀ of standard normal M [n × inner].
    private static double[][] Matrix(int n, int inner)
    {
        var rng = new Rng(3);
        double[][] m =
        [
            .. Enumerable.Range(0, n).Select(_ => Enumerable.Range(0, inner).Select(_ => rng.NextNormal()).ToArray()),
        ];
        return [.. m.Select(row => m.Select(other => row.Zip(other, (u, v) => u * v).Sum()).ToArray())];
    }
}
