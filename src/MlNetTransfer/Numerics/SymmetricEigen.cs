namespace MlNetTransfer.Numerics;

/// <summary>A symmetric matrix by its eigenvalues and eigenvectors: A = Σ value·vector·vectorᵀ.</summary>
/// <remarks>
/// Tridiagonal form by reflectors, then its eigenvalues by the implicit QL method with Wilkinson's shift (Golub and Van
/// Loan, Matrix Computations, 8.3). The rotations of a sweep are gathered and applied to the vectors in slices, so that
/// all threads have work and the result does not depend on them. About 2n³ + 3n³ multiply-adds.
/// </remarks>
internal sealed class SymmetricEigen
{
    private const int MostSweeps = 60;
    private const double Precision = 2.220446049250313e-16;

    private SymmetricEigen(double[] values, double[][] vectors) => (Values, Vectors) = (values, vectors);

    /// <summary>Eigenvalues [n], in no order.</summary>
    public double[] Values { get; }

    /// <summary>Eigenvectors of length 1 [n][n]: one for each value.</summary>
    public double[][] Vectors { get; }

    /// <param name="matrix">The whole symmetric matrix by rows [n][n]; overwritten.</param>
    /// <param name="parallel">Threads to use; the result does not depend on them.</param>
    public static SymmetricEigen Of(double[][] matrix, ParallelOptions parallel)
    {
        var form = Tridiagonal.Of(matrix, parallel);
        double[] values = form.Diagonal.ToArray(),
            below = [.. form.Below, 0];
        double[][] vectors = [.. Enumerable.Range(0, values.Length).Select(form.Unit)];
        for (int first = 0; first < values.Length; first++)
            Find(first, values, below, vectors, parallel);
        Parallel.ForEach(vectors, parallel, vector => form.MultiplyTransposedQ(vector));
        return new SymmetricEigen(values, vectors);
    }

    /// <summary>Sweeps until the element below a diagonal element is 0 to rounding.</summary>
    private static void Find(int first, double[] values, double[] below, double[][] vectors, ParallelOptions parallel)
    {
        for (int sweep = 0; sweep < MostSweeps; sweep++)
        {
            int last = first;
            while (last + 1 < values.Length && !IsNothing(below[last], values[last], values[last + 1]))
                last++;
            if (last == first)
                return;
            List<Rotation> rotations = Sweep(first, last, values, below);
            Apply(rotations, vectors, parallel);
        }

        throw new InvalidOperationException("The eigenvalues of a matrix of finite numbers were not found.");
    }

    private static bool IsNothing(double element, double above, double next) =>
        Math.Abs(element) <= Precision * (Math.Abs(above) + Math.Abs(next));

    /// <summary>One implicit QL sweep over the block [first, last].</summary>
    private static List<Rotation> Sweep(int first, int last, double[] values, double[] below)
    {
        double half = (values[first + 1] - values[first]) / (2 * below[first]),
            length = Math.Sqrt(half * half + 1);
        double bulge = values[last] - values[first] + below[first] / (half + Math.CopySign(length, half));
        double sine = 1,
            cosine = 1,
            carried = 0;
        List<Rotation> rotations = new(last - first);
        for (int i = last - 1; i >= first; i--)
        {
            double across = sine * below[i],
                along = cosine * below[i];
            length = double.Hypot(across, bulge);
            below[i + 1] = length;
            if (length == 0)
            {
                // The block falls apart here; the next sweep takes the rest.
                values[i + 1] -= carried;
                below[last] = 0;
                return rotations;
            }

            (sine, cosine) = (across / length, bulge / length);
            bulge = values[i + 1] - carried;
            double turned = (values[i] - bulge) * sine + 2 * cosine * along;
            carried = sine * turned;
            values[i + 1] = bulge + carried;
            bulge = cosine * turned - along;
            rotations.Add(new Rotation(i, sine, cosine));
        }

        values[first] -= carried;
        below[first] = bulge;
        below[last] = 0;
        return rotations;
    }

    private static void Apply(List<Rotation> rotations, double[][] vectors, ParallelOptions parallel)
    {
        const int slice = 256;
        int n = vectors.Length;
        void Slice(int part)
        {
            int start = part * slice,
                width = Math.Min(slice, n - start);
            foreach (Rotation rotation in rotations)
                rotation.Apply(
                    vectors[rotation.Place].AsSpan(start, width),
                    vectors[rotation.Place + 1].AsSpan(start, width)
                );
        }

        int slices = (n + slice - 1) / slice;
        if (slices > 1)
            Parallel.For(0, slices, parallel, Slice);
        else
            Slice(0);
    }

    private readonly record struct Rotation(int Place, double Sine, double Cosine)
    {
        public void Apply(Span<double> here, Span<double> next)
        {
            for (int i = 0; i < here.Length && i < next.Length; i++)
            {
                double turned = next[i];
                next[i] = Sine * here[i] + Cosine * turned;
                here[i] = Cosine * here[i] - Sine * turned;
            }
        }
    }
}
