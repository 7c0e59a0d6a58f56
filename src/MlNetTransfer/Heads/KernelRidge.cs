using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Numerics;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Heads;

/// <summary>How to fit a kernel head. Immutable; an invalid instance cannot be made.</summary>
public sealed record KernelRidgeTrainerOptions
{
    /// <summary>
    /// Penalty as a multiple of the mean of the centred kernel's diagonal, in [1e-8, 1e4]. Default null: chosen by
    /// leaving one row out.
    /// </summary>
    public double? Penalty
    {
        get;
        init => field = value is null ? null : Check.InRange(value.Value, 1e-8, 1e4, nameof(Penalty));
    }

    /// <summary>How much a row of each class counts. Default equally.</summary>
    public ClassWeights ClassWeights { get; init; }

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}

/// <summary>
/// Fits kernel ridge regression with a Gaussian kernel on one-hot targets: a smooth vote of the training images by
/// their similarity.
/// </summary>
/// <remarks>
/// <para>Pooled activations are skewed: a few features of an image are large, most are near zero. Their signed square
/// root, sign(x)·√|x| (Tukey's ladder of powers with λ = ½; Yang, Liu and Xu, Free Lunch for Few-shot Learning, ICLR
/// 2021), standardised by the training rows (of several networks each by its own width), gives z; the kernel is
/// k(z, z') = exp(-‖z - z'‖² / m), m the mean squared distance of two training rows.</para>
/// <para>Minimises Σ ‖y - f(z) - b‖² + α·‖f‖² over the kernel's space, y the one-hot label and b free (Saunders,
/// Gammerman and Vovk, Ridge Regression Learning Algorithm in Dual Variables, 1998). α, a multiple of the mean of the
/// centred kernel's diagonal from 10 down to 0.01 in half decades, and the temperature are chosen as by
/// <see cref="RidgeTrainer"/>, by leaving one row out exactly. Below 0.01 the rounding of float32 would show.</para>
/// <para>The head holds the standardised features of its training rows, so that a model with it grows by rows · width ·
/// 4 bytes. Cost: 4/3·rows³ and rows²·width, then little per α; at most <see cref="MostRows"/> rows.</para>
/// </remarks>
/// <param name="options">How to fit; null for the defaults.</param>
public sealed class KernelRidgeTrainer(KernelRidgeTrainerOptions? options = null) : IHeadTrainer<KernelRidgeHead>
{
    /// <summary>Training rows at most: above, the fit takes minutes and the model tens of megabytes.</summary>
    public const int MostRows = 5000;

    private static readonly double[] Grid = RidgeTrainer.Grid[..7];
    private readonly KernelRidgeTrainerOptions options = options ?? new KernelRidgeTrainerOptions();

    /// <summary>What is known of the kind; see <see cref="HeadKind"/>.</summary>
    /// <remarks>
    /// It keeps all its rows (12 MB of 2,000 with resnet18), and its fit takes time with their cube: up to 2,000 rows
    /// it is chosen.
    /// </remarks>
    internal static HeadKind Describe() =>
        new(
            "Kernel",
            s => new KernelRidgeTrainer(
                new KernelRidgeTrainerOptions { ClassWeights = s.ClassWeights, Workers = s.Workers }
            )
        )
        {
            Chosen = (0, 2000),
        };

    /// <inheritdoc/>
    /// <exception cref="TransferException">There are more than <see cref="MostRows"/> rows.</exception>
    public KernelRidgeHead Fit(
        FeatureTable train,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        HeadRows.CheckTrainable(train);
        if (train.Rows > MostRows)
            throw new TransferException(
                $"A kernel head keeps its training rows: there are {train.Rows}, it takes at most {MostRows}. Take "
                    + $"another head, for example softmax."
            );
        var parallel = new ParallelOptions
        {
            MaxDegreeOfParallelism = options.Workers,
            CancellationToken = cancellation,
        };
        progress?.Report(new FitProgress("Fitting the head", 0, 1));
        FeatureTable roots = Roots(train);
        var scaler = new FeatureScaler(roots, parallel);
        float[][] rows = RidgeTrainer.Standardised(roots, scaler);
        double[] mean = scaler.Mean.ToArray(),
            scale = scaler.Scale.ToArray();
        Unify(rows, scale);
        double[][] kernel = KernelRidgeHead.Kernel(rows, parallel);
        var weighing = new RidgeWeights(train, options.ClassWeights);
        var system = new RidgeSystem(weighing.Centre(kernel), weighing.Targets(train), parallel, weighing.Roots);
        double unit = system.MeanSquaredLength > 0 ? system.MeanSquaredLength : 1;
        Compared<double>[] path = RidgeTrainer.Path(
            train,
            system,
            weighing,
            unit,
            options.Penalty is { } given ? [given] : Grid
        );
        Compared<double> chosen =
            path.MinBy(trial => trial.LogLoss)
            ?? new Compared<double>(options.Penalty ?? RidgeTrainer.Fallback, HeldOut.Nothing);
        double[][] dual = system.Coefficients(chosen.Choice * unit);
        if (weighing.Roots is { } counts)
            foreach (double[] row in dual)
                for (int i = 0; i < row.Length; i++)
                    row[i] *= counts[i];
        float[] coefficients =
        [
            .. dual.SelectMany(row => row.Select(value => (float)(chosen.Score.LogitScale * value))),
        ];
        // b makes the mean prediction of the training rows, as much as each counts, that of their labels.
        float[] bias =
        [
            .. weighing.Shares.Select(
                (share, c) =>
                    (float)(
                        chosen.Score.LogitScale
                        * (share - kernel.Select((row, i) => weighing.Of(i) * Simd.Dot(row, dual[c])).Average())
                    )
            ),
        ];
        progress?.Report(new FitProgress("Fitting the head", 1, 1));
        return new KernelRidgeHead(
            train.ClassNames,
            [.. mean.Select(value => (float)value)],
            [.. scale.Select(value => (float)value)],
            [.. rows.SelectMany(row => row)],
            coefficients,
            bias,
            chosen.Choice,
            1 / chosen.Score.LogitScale,
            options.Penalty is null ? path : []
        );
    }

    /// <summary>The table with the signed root of every feature.</summary>
    internal static FeatureTable Roots(FeatureTable table) =>
        new(table.ClassNames, table.Labels, Array.ConvertAll(table.Values, KernelRidgeHead.Root), table.Width)
        {
            Networks = table.Networks,
        };

    // Two rows are 2·(mean squared length) apart on average, squared; 2·rows / (rows - 1) of it among different rows.
    private static void Unify(float[][] rows, double[] scale)
    {
        double distance = 2 * rows.Sum(row => Simd.DotWide(row, row)) / Math.Max(1, rows.Length - 1);
        double factor = distance > 0 ? 1 / Math.Sqrt(distance) : 1;
        foreach (ref double value in scale.AsSpan())
            value *= factor;
        foreach (float[] row in rows)
        foreach (ref float value in row.AsSpan())
            value = (float)(value * factor);
    }
}

/// <summary>Kernel ridge regression on one-hot targets, its scores turned into probabilities. Immutable.</summary>
public sealed class KernelRidgeHead : IHead
{
    private readonly float[] mean,
        scale,
        rows,
        coefficients,
        bias;

    // ‖r‖² of every training row r.
    private readonly double[] squares;

    internal KernelRidgeHead(
        IReadOnlyList<string> classNames,
        float[] mean,
        float[] scale,
        float[] rows,
        float[] coefficients,
        float[] bias,
        double penalty,
        double temperature,
        IReadOnlyList<Compared<double>> path
    )
    {
        ClassNames = classNames;
        (this.mean, this.scale, this.rows, this.coefficients, this.bias) = (mean, scale, rows, coefficients, bias);
        (Penalty, Temperature, Path) = (penalty, temperature, path);
        squares = [.. Enumerable.Range(0, Rows).Select(i => Simd.DotWide(RowOf(i), RowOf(i)))];
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames { get; }

    /// <inheritdoc/>
    public int Width => mean.Length;

    /// <summary>Training rows that it holds.</summary>
    public int Rows => rows.Length / Width;

    /// <summary>The penalty used, as a multiple of the mean of the centred kernel's diagonal.</summary>
    public double Penalty { get; }

    /// <summary>What the scores are divided by to be logits.</summary>
    public double Temperature { get; }

    /// <summary>
    /// Penalties that were tried, judged on the scores of rows left out; empty where the penalty was given or no row
    /// could be left out.
    /// </summary>
    public IReadOnlyList<Compared<double>> Path { get; }

    /// <inheritdoc/>
    public void Logits(ReadOnlySpan<float> rows, Span<float> logits) => HeadRows.ForEach(this, rows, logits, Row);

    /// <inheritdoc/>
    public void Predict(ReadOnlySpan<float> rows, Span<float> probabilities) =>
        HeadRows.Predict(this, rows, probabilities, Row);

    /// <inheritdoc/>
    public float[] Predict(FeatureTable table) => HeadRows.Predict(this, table);

    /// <inheritdoc/>
    /// <remarks>
    /// ‖z - r‖² = ‖z‖² + ‖r‖² - 2·z·r, a Gemm over all training rows r; another Gemm weighs their kernels.
    /// </remarks>
    public string AddTo(HeadGraph graph)
    {
        string size = graph.Node("Sqrt", "head.size", [graph.Node("Abs", "head.abs", [graph.Features])]);
        string root = graph.Node("Mul", "head.root", [graph.Node("Sign", "head.sign", [graph.Features]), size]);
        string centred = graph.Node("Sub", "head.centred", [root, graph.Floats("head.mean", mean, Width)]);
        string z = graph.Node("Mul", "head.standardised", [centred, graph.Floats("head.scale", scale, Width)]);
        string cross = graph.Node(
            "Gemm",
            "head.cross",
            [
                z,
                graph.Floats("head.rows", Array.ConvertAll(rows, value => -2 * value), Rows, Width),
                graph.Floats("head.squares", Array.ConvertAll(squares, square => (float)square), Rows),
            ],
            Attributes.Of("transB", 1)
        );
        string own = graph.Node(
            "ReduceSumSquare",
            "head.square",
            [z],
            Attributes.Of("axes", [1]),
            Attributes.Of("keepdims", 1)
        );
        string distance = graph.Node("Relu", "head.distance", [graph.Node("Add", "head.sum", [cross, own])]);
        string kernel = graph.Node("Exp", "head.kernel", [graph.Node("Neg", "head.negative", [distance])]);
        return graph.Node(
            "Gemm",
            "logits",
            [
                kernel,
                graph.Floats("head.weight", coefficients, ClassNames.Count, Rows),
                graph.Floats("head.bias", bias, ClassNames.Count),
            ],
            Attributes.Of("transB", 1)
        );
    }

    /// <summary>A head whose logits are combinations of this one's.</summary>
    internal KernelRidgeHead Combined(LogitMap map) =>
        new(
            map.ClassNames,
            mean,
            scale,
            rows,
            map.OfWeights(coefficients),
            map.OfBias(bias),
            Penalty,
            Temperature,
            Path
        );

    /// <summary>sign(x)·√|x|.</summary>
    internal static float Root(float x) => MathF.CopySign(MathF.Sqrt(MathF.Abs(x)), x);

    /// <summary>exp(-‖a - b‖²) for every two rows [rows][rows].</summary>
    internal static double[][] Kernel(float[][] rows, ParallelOptions parallel)
    {
        double[] squares = [.. rows.Select(row => Simd.DotWide(row, row))];
        double[][] kernel = [.. rows.Select(_ => new double[rows.Length])];
        Parallel.For(
            0,
            rows.Length,
            parallel,
            i =>
            {
                for (int j = 0; j <= i; j++)
                    kernel[i][j] = Math.Exp(-Math.Max(0, squares[i] + squares[j] - 2 * Simd.DotWide(rows[i], rows[j])));
            }
        );
        for (int i = 0; i < rows.Length; i++)
        for (int j = 0; j < i; j++)
            kernel[j][i] = kernel[i][j];
        return kernel;
    }

    private ReadOnlySpan<float> RowOf(int i) => rows.AsSpan(i * Width, Width);

    private void Row(ReadOnlySpan<float> row, Span<float> logits)
    {
        var z = new float[Width];
        for (int i = 0; i < z.Length; i++)
            z[i] = (Root(row[i]) - mean[i]) * scale[i];
        double square = Simd.DotWide(z, z);
        var kernel = new float[Rows];
        for (int r = 0; r < kernel.Length; r++)
            kernel[r] = (float)Math.Exp(-Math.Max(0, square + squares[r] - 2 * Simd.DotWide(z, RowOf(r))));

        for (int c = 0; c < logits.Length; c++)
            logits[c] = bias[c] + Simd.Dot(coefficients.AsSpan(c * Rows, Rows), kernel);
    }
}
