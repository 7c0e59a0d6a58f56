using MlNetTransfer.Numerics;

namespace MlNetTransfer.Tests.Numerics;

[TestClass]
public sealed class SymmetricEigenTests
{
    [TestMethod]
    public void Of_SecondDifferences_HasTheirKnownValues()
    {
        const int n = 300;
        double[][] matrix = Zero(n);
        for (int i = 0; i < n; i++)
        {
            matrix[i][i] = 2;
            if (i > 0)
                matrix[i][i - 1] = matrix[i - 1][i] = -1;
        }

        double[] found = [.. SymmetricEigen.Of(matrix, new ParallelOptions()).Values.Order()];
        for (int k = 0; k < n; k++)
            Assert.AreEqual(2 - 2 * Math.Cos((k + 1) * Math.PI / (n + 1)), found[k], 1e-12, "to rounding of n sums");
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(7)]
    [DataRow(300)]
    public void Of_AnyMatrix_IsTheSumOfItsParts(int n)
    {
        var rng = new Rng(n);
        double[][] matrix = Zero(n);
        for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++)
            matrix[i][j] = matrix[j][i] = rng.NextNormal();
        var eigen = SymmetricEigen.Of(Copy(matrix), new ParallelOptions());
        RequireParts(matrix, eigen, 1e-11 * n);
    }

    [TestMethod]
    public void Of_EqualValues_HasOrthogonalVectors()
    {
        // A projector on 3 of 20 dimensions: values 1 and 0, many times each.
        var rng = new Rng(3);
        double[][] matrix = Zero(20);
        for (int k = 0; k < 20; k += 7)
            matrix[k][k] = 1;
        double[] v = [.. Enumerable.Range(0, 20).Select(_ => rng.NextNormal())];
        double square = v.Sum(x => x * x);
        // Turned by a reflector, so that it is not diagonal.
        double[][] turn = Zero(20);
        for (int i = 0; i < 20; i++)
        for (int j = 0; j < 20; j++)
            turn[i][j] = (i == j ? 1 : 0) - 2 * v[i] * v[j] / square;
        double[][] turned = Product(Product(turn, matrix), turn);
        var eigen = SymmetricEigen.Of(Copy(turned), new ParallelOptions());
        RequireParts(turned, eigen, 1e-13);
        Assert.AreEqual(3, eigen.Values.Count(value => Math.Abs(value - 1) < 1e-13));
        Assert.AreEqual(17, eigen.Values.Count(value => Math.Abs(value) < 1e-13));
    }

    [TestMethod]
    public void Of_OtherNumberOfThreads_GivesTheSameBytes()
    {
        var rng = new Rng(5);
        double[][] matrix = Zero(280);
        for (int i = 0; i < 280; i++)
        for (int j = 0; j <= i; j++)
            matrix[i][j] = matrix[j][i] = rng.NextNormal();
        var one = SymmetricEigen.Of(Copy(matrix), new ParallelOptions { MaxDegreeOfParallelism = 1 });
        var many = SymmetricEigen.Of(Copy(matrix), new ParallelOptions { MaxDegreeOfParallelism = 7 });
        CollectionAssert.AreEqual(one.Values, many.Values);
        for (int i = 0; i < 280; i++)
            CollectionAssert.AreEqual(one.Vectors[i], many.Vectors[i]);
    }

    private static void RequireParts(double[][] matrix, SymmetricEigen eigen, double tolerance)
    {
        int n = matrix.Length;
        for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++)
        {
            double sum = 0,
                product = 0;
            for (int k = 0; k < n; k++)
            {
                sum += eigen.Values[k] * eigen.Vectors[k][i] * eigen.Vectors[k][j];
                product += eigen.Vectors[i][k] * eigen.Vectors[j][k];
            }

            Assert.AreEqual(matrix[i][j], sum, tolerance, "rounding grows with the number of rotations");
            Assert.AreEqual(i == j ? 1 : 0, product, tolerance);
        }
    }

    private static double[][] Zero(int n) => [.. Enumerable.Range(0, n).Select(_ => new double[n])];

    private static double[][] Copy(double[][] matrix) => [.. matrix.Select(row => (double[])row.Clone())];

    private static double[][] Product(double[][] a, double[][] b) =>
        [
            .. a.Select(row =>
                Enumerable.Range(0, b[0].Length).Select(j => row.Select((x, k) => x * b[k][j]).Sum()).ToArray()
            ),
        ];
}
