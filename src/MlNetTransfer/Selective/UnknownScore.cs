using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Numerics;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Selective;

/// <summary>
/// How unlike every training image an image is: 1 - the cosine to the nearest of them, by the roots of the features
/// that the head takes; in units of the threshold, so that above 1 is unlike any. Immutable.
/// </summary>
/// <remarks>
/// <para>
/// The distance to the nearest neighbour of features of length 1 (Sun, Ming, Zhu and Li, Out-of-distribution detection
/// with deep nearest neighbors, 2022), k = 1, on sign(x)·√|x|, which keeps a few large features from deciding alone. Of
/// all scores tried it told left-out classes best (decision 022). Of more than <see cref="MostRows"/> training images
/// as many are kept, spread evenly. Features wider than <see cref="MostWidth"/> are projected to that width by a fixed
/// Gaussian matrix, which keeps angles within some hundredths (Johnson and Lindenstrauss, 1984), so that it is 4.6 MB
/// in a model file at most, with 1,280 features.
/// </para>
/// <para>
/// In ONNX: roots, Gemm (projection), division by the length, Gemm with the training rows, the largest: float32 [N].
/// </para>
/// </remarks>
internal sealed class UnknownScore
{
    /// <summary>Training rows that are kept at most.</summary>
    public const int MostRows = 1000;

    /// <summary>Features per row that are kept.</summary>
    public const int MostWidth = 512;

    private const int Seed = 20261129;
    private const float Smallest = 1e-12f;

    private readonly float[] projection,
        rows;
    private readonly int inner;
    private readonly double scale;

    private UnknownScore(int width, int inner, float[] projection, float[] rows, double scale) =>
        (Width, this.inner, this.projection, this.rows, this.scale) = (width, inner, projection, rows, scale);

    /// <summary>Features that it takes.</summary>
    public int Width { get; }

    /// <summary>Training rows that it compares with.</summary>
    public int Rows => rows.Length / inner;

    /// <summary>Keeps what is needed of training rows.</summary>
    /// <param name="train">Training rows; at least one.</param>
    public static UnknownScore Of(FeatureTable train)
    {
        int width = train.Width,
            inner = Math.Min(width, MostWidth);
        float[] projection = Projection(width, inner);
        var empty = new UnknownScore(width, inner, projection, [], 1);
        int kept = Math.Min(train.Rows, MostRows);
        var rows = new float[kept * inner];
        for (int i = 0; i < kept; i++)
            empty.Unit(train.Row((int)((long)i * train.Rows / kept)), rows.AsSpan(i * inner, inner));
        return new UnknownScore(width, inner, projection, rows, 1);
    }

    /// <summary>The same in units of a threshold, so that it is 1.</summary>
    /// <param name="threshold">The threshold, above 0.</param>
    public UnknownScore Scaled(double threshold) => new(Width, inner, projection, rows, scale / threshold);

    /// <summary>The score of each row by those outside of its fold; rows of no fold are compared with only.</summary>
    /// <param name="table">The rows.</param>
    /// <param name="fold">Fold of each row, from 0; negative for none.</param>
    /// <returns>The scores of the rows that have a fold, fold by fold.</returns>
    public static double[] OfFolds(FeatureTable table, int[] fold)
    {
        int[] rows = [.. Enumerable.Range(0, fold.Length)];
        return
        [
            .. fold.Where(f => f >= 0)
                .Distinct()
                .Order()
                .SelectMany(f =>
                    Of(table.Select([.. rows.Where(i => fold[i] != f)]))
                        .Score(table.Select([.. rows.Where(i => fold[i] == f)]))
                ),
        ];
    }

    /// <summary>The score of one row [width].</summary>
    public double Score(ReadOnlySpan<float> row)
    {
        Span<float> unit = stackalloc float[MostWidth];
        unit = unit[..inner];
        Unit(row, unit);
        float nearest = float.NegativeInfinity;
        for (int i = 0; i < rows.Length; i += inner)
            nearest = MathF.Max(nearest, Simd.Dot(rows.AsSpan(i, inner), unit));
        return Math.Max(0, 1.0 - nearest) * scale;
    }

    /// <summary>The scores of a table's rows [rows].</summary>
    public double[] Score(FeatureTable table)
    {
        var scores = new double[table.Rows];
        Parallel.For(0, scores.Length, row => scores[row] = Score(table.Row(row)));
        return scores;
    }

    /// <summary>Writes the score into a graph.</summary>
    /// <returns>Name of the tensor, float32 [N].</returns>
    public string AddTo(HeadGraph graph)
    {
        string size = graph.Node("Sqrt", "unknown.size", [graph.Node("Abs", "unknown.abs", [graph.Features])]);
        string roots = graph.Node("Mul", "unknown.root", [graph.Node("Sign", "unknown.sign", [graph.Features]), size]);
        string inside =
            projection.Length == 0
                ? roots
                : graph.Node(
                    "Gemm",
                    "unknown.projected",
                    [roots, graph.Floats("unknown.projection", projection, inner, Width)],
                    Attributes.Of("transB", 1)
                );
        // Sums and the largest by operators of one form in all operator sets.
        string square = graph.Node(
            "MatMul",
            "unknown.square",
            [
                graph.Node("Mul", "unknown.squares", [inside, inside]),
                graph.Floats("unknown.ones", Enumerable.Repeat(1f, inner).ToArray(), inner, 1),
            ]
        );
        string divisor = graph.Node(
            "Max",
            "unknown.divisor",
            [graph.Node("Sqrt", "unknown.length", [square]), graph.Floats("unknown.smallest", [Smallest])]
        );
        string cosines = graph.Node(
            "Gemm",
            "unknown.cosines",
            [graph.Node("Div", "unknown.unit", [inside, divisor]), graph.Floats("unknown.rows", rows, Rows, inner)],
            Attributes.Of("transB", 1)
        );
        string nearest = graph.Nodes(
            "TopK",
            ["unknown.nearest", "unknown.place"],
            [cosines, graph.Longs("unknown.one", [1], 1)],
            Attributes.Of("axis", 1)
        )[0];
        string distance = graph.Node(
            "Relu",
            "unknown.distance",
            [graph.Node("Sub", "unknown.away", [graph.Floats("unknown.whole", [1f]), nearest])]
        );
        string scaled = graph.Node("Mul", "unknown.scaled", [distance, graph.Floats("unknown.scale", [(float)scale])]);
        return graph.Node("Reshape", "unknown.row", [scaled, graph.Longs("unknown.shape", [-1], 1)]);
    }

    /// <summary>The roots of a row, projected and of length 1; 0 where all are.</summary>
    private void Unit(ReadOnlySpan<float> row, Span<float> unit)
    {
        float[] roots = Array.ConvertAll(row.ToArray(), KernelRidgeHead.Root);
        if (projection.Length == 0)
            roots.CopyTo(unit);
        else
            for (int i = 0; i < inner; i++)
                unit[i] = Simd.Dot(projection.AsSpan(i * Width, Width), roots);
        float length = MathF.Max(MathF.Sqrt(Simd.Dot(unit, unit)), Smallest);
        foreach (ref float value in unit)
            value /= length;
    }

    /// <summary>Normal numbers of variance 1 / inner [inner × width]; none where no projection is needed.</summary>
    private static float[] Projection(int width, int inner)
    {
        if (inner == width)
            return [];
        var matrix = new float[inner * width];
        var rng = new Rng(Seed);
        double deviation = 1 / Math.Sqrt(inner);
        for (int i = 0; i < matrix.Length; i++)
            matrix[i] = (float)(deviation * rng.NextNormal());
        return matrix;
    }
}
