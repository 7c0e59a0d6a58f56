using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>How to fit a softmax head. Immutable; an invalid instance cannot be made.</summary>
public sealed record SoftmaxTrainerOptions
{
    /// <summary>
    /// L2 penalty on the weights of the standardised features, not on the biases; in [1e-8, 1e4]. Default null: chosen
    /// by cross-validation, with a factor on the logits.
    /// </summary>
    public double? L2
    {
        get;
        init => field = value is null ? null : Check.InRange(value.Value, 1e-8, 1e4, nameof(L2));
    }

    /// <summary>Folds for choosing <see cref="L2"/>, in [2, 20]; never more than rows. Default 5.</summary>
    public int Folds
    {
        get;
        init => field = Check.InRange(value, 2, 20, nameof(Folds));
    } = 5;

    /// <summary>Seed of the division into folds; nothing else is random. Default 0.</summary>
    public int Seed { get; init; }

    /// <summary>
    /// How much a training row of each class counts, in the fit and in choosing <see cref="L2"/>. Default
    /// <see cref="ClassWeights.None"/>.
    /// </summary>
    public ClassWeights ClassWeights
    {
        get;
        init =>
            field = Enum.IsDefined(value)
                ? value
                : throw new ArgumentOutOfRangeException(
                    nameof(ClassWeights),
                    value,
                    "ClassWeights must be None or Balanced."
                );
    }

    /// <summary>
    /// The fit stops when no component of the gradient is larger than this share of the largest one without weights (or
    /// than 2e-6, where float32 tells no more); in [1e-6, 0.1]. Default 5e-4: a tenth of it changed the held-out
    /// log-loss of four tasks by 0.0003 nats at most.
    /// </summary>
    public double Tolerance
    {
        get;
        init => field = Check.InRange(value, 1e-6, 0.1, nameof(Tolerance));
    } = 5e-4;

    /// <summary>Iterations of one fit at most, in [1, 100000]. Default 500.</summary>
    public int MaxIterations
    {
        get;
        init => field = Check.InRange(value, 1, 100_000, nameof(MaxIterations));
    } = 500;

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}

/// <summary>Fits a linear softmax classifier (multinomial logistic regression) on frozen backbone features.</summary>
/// <remarks>
/// <para>Minimises Σ w·(-ln p(true class)) / Σ w + L2/2·‖W‖² over features standardised by the training rows, biases
/// free, by L-BFGS (Nocedal and Wright, Numerical Optimization, ch. 7). W is unique and the start fixed, so that equal
/// inputs give equal bytes whatever the number of threads.</para>
/// <para>Unless <see cref="SoftmaxTrainerOptions.L2"/> is given, it is chosen by stratified cross-validation: from 10
/// down to 1e-5 in half decades, each penalty starting from the weights of the one before; of the held-out logits the
/// one factor s is fitted that minimises the log-loss of softmax(s·logits) (temperature scaling; Guo et al., 2017), and
/// the penalty with the lowest such loss is taken, together with its s. So a strong penalty, which points the weights
/// well but keeps them short, is not passed over for being underconfident, and the head comes out calibrated: W and b
/// are those of the objective times s. The path ends after two rises in a row, or below 0.1 after two penalties in a
/// row that lower the loss by less than 1 %. The row of a class with a single row is in every training part; where all
/// classes have a single row, L2 is 1 and s is 1. Features are standardised once, over all training rows: the folds
/// share means and deviations, never labels.</para>
/// <para>Cost: passes · rows · width · classes multiply-adds, four times; all folds go through the rows
/// together.</para>
/// </remarks>
/// <param name="options">How to fit; null for the defaults.</param>
public sealed class SoftmaxTrainer(SoftmaxTrainerOptions? options = null) : IHeadTrainer<SoftmaxHead>
{
    private readonly SoftmaxTrainerOptions options = options ?? new SoftmaxTrainerOptions();

    /// <summary>What is known of the kind; see <see cref="HeadKind"/>.</summary>
    internal static HeadKind Describe() =>
        new(
            "Softmax",
            s => new SoftmaxTrainer(
                new SoftmaxTrainerOptions
                {
                    L2 = s.L2,
                    ClassWeights = s.ClassWeights,
                    Seed = s.Seed,
                    Workers = s.Workers,
                }
            )
        )
        {
            IsLinear = true,
            TakesL2 = true,
            Chosen = (0, int.MaxValue),
        };

    /// <inheritdoc/>
    public SoftmaxHead Fit(
        FeatureTable train,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        HeadRows.CheckTrainable(train);
        var parallel = new ParallelOptions
        {
            MaxDegreeOfParallelism = options.Workers,
            CancellationToken = cancellation,
        };
        var scaler = new FeatureScaler(train, parallel);
        int folds = Math.Min(options.Folds, train.Rows);
        int[] fold = options.L2 is null
            ? CrossValidation.Folds(train.Labels, folds, options.Seed, train.ClassNames)
            : NeverHeldOut(train.Rows);
        var design = new SoftmaxDesign(
            train.Rows,
            train.Width,
            (row, target) => scaler.Apply(train.Row(row), target.Span),
            train.Labels,
            RowWeights(train),
            fold,
            train.Classes,
            parallel
        );
        var path = new PenaltyPath(design);
        if (Array.Exists(fold, f => f != SoftmaxDesign.NoFold))
            path.Walk(folds, parallel, progress);
        var model = new SoftmaxModel(design, SoftmaxDesign.NoFold);
        if (path.Best is not null)
            path.Start.CopyTo(model.Optimiser.Trial.Span);
        model.Optimiser.Reference = path.Reference;
        model.Start(options.L2 ?? path.Best?.Choice ?? PenaltyPath.Fallback, options.Tolerance, options.MaxIterations);
        new SoftmaxPass(design, parallel).Minimise(
            [model],
            () =>
                progress?.Report(new FitProgress("Fitting the head", model.Optimiser.Iterations, options.MaxIterations))
        );
        float scale = (float)(path.Best?.Score.LogitScale ?? 1);
        float[] weights = new float[train.Classes * train.Width],
            bias = model.Bias.ToArray();
        for (int c = 0; c < train.Classes; c++)
            model.Weights.Slice(c * design.PaddedWidth, train.Width).CopyTo(weights.AsSpan(c * train.Width));
        foreach (ref float weight in weights.AsSpan())
            weight *= scale;
        foreach (ref float b in bias.AsSpan())
            b *= scale;
        scaler.FoldInto(weights, bias);
        Lbfgs end = model.Optimiser;
        return new SoftmaxHead(
            train.ClassNames,
            train.Width,
            weights,
            bias,
            new SoftmaxFitReport(
                model.L2,
                scale,
                path.Trials,
                end.Iterations,
                end.Converged,
                end.Loss,
                end.GradientNorm
            )
        );
    }

    private static int[] NeverHeldOut(int rows)
    {
        var fold = new int[rows];
        Array.Fill(fold, SoftmaxDesign.NoFold);
        return fold;
    }

    private float[] RowWeights(FeatureTable train)
    {
        double[]? weight = ClassWeighting.Of(train, options.ClassWeights);
        return Array.ConvertAll(train.Labels, label => (float)(weight?[label] ?? 1));
    }
}

/// <summary>A linear softmax classifier: multinomial logistic regression. Immutable.</summary>
public sealed class SoftmaxHead : LinearHead
{
    internal SoftmaxHead(
        IReadOnlyList<string> classNames,
        int width,
        float[] weights,
        float[] bias,
        SoftmaxFitReport report
    )
        : base(classNames, width, weights, bias) => Report = report;

    /// <summary>How it was fitted.</summary>
    public SoftmaxFitReport Report { get; }
}

/// <summary>How a softmax head was fitted.</summary>
/// <param name="L2">The penalty used.</param>
/// <param name="LogitScale">The factor on the logits that was chosen with the penalty; 1 where the penalty was
/// given.</param>
/// <param name="L2Path">Penalties tried by cross-validation, strongest first; empty where the penalty was given or
/// could not be chosen.</param>
/// <param name="Iterations">Iterations of the last fit.</param>
/// <param name="Converged">Whether it reached the tolerance.</param>
/// <param name="Objective">Mean cross-entropy (nats) + L2/2·‖W‖² at the end, W on standardised features.</param>
/// <param name="GradientNorm">Largest component of the gradient at the end, in absolute value.</param>
public sealed record SoftmaxFitReport(
    double L2,
    double LogitScale,
    IReadOnlyList<Compared<double>> L2Path,
    int Iterations,
    bool Converged,
    double Objective,
    double GradientNorm
);

/// <summary>
/// Chooses the penalty by cross-validation, all folds side by side, from strong to weak, each penalty starting where
/// the one before it ended.
/// </summary>
internal sealed class PenaltyPath
{
    /// <summary>The penalty where no row can be held out: every class has a single row.</summary>
    public const double Fallback = 1;

    private const int MaxIterations = 100;
    private readonly SoftmaxDesign design;
    private readonly List<Compared<double>> trials = [];
    private readonly float[] start;

    public PenaltyPath(SoftmaxDesign design)
    {
        this.design = design;
        start = new float[design.ModelLength];
    }

    /// <summary>
    /// Penalties that are tried: 10, 10^0.5, …, 1e-5. On real features the best were between 0.3 and 1e-3, on clusters
    /// without correlation 3.
    /// </summary>
    public static IReadOnlyList<double> Grid { get; } =
    [.. Enumerable.Range(0, 13).Select(i => Math.Pow(10, 1 - i / 2.0))];

    public IReadOnlyList<Compared<double>> Trials => trials;

    /// <summary>The trial with the lowest held-out loss.</summary>
    public Compared<double>? Best => trials.MinBy(trial => trial.LogLoss);

    /// <summary>Mean of the folds' weights at the best penalty: where the fit on all rows starts.</summary>
    public ReadOnlySpan<float> Start => start;

    /// <summary>Largest component of the gradient without weights.</summary>
    public double Reference { get; private set; }

    public void Walk(int folds, ParallelOptions parallel, IProgress<FitProgress>? progress)
    {
        SoftmaxModel[] models = [.. Enumerable.Range(0, folds).Select(fold => new SoftmaxModel(design, fold))];
        var pass = new SoftmaxPass(design, parallel);
        for (int i = 0; i < Grid.Count && !Past(); i++)
        {
            progress?.Report(new FitProgress("Choosing the L2 penalty", i, Grid.Count));
            foreach (SoftmaxModel model in models)
                model.Start(Grid[i], Tolerance(Grid[i]), MaxIterations);
            pass.Minimise(models);
            HeldOutLogits logits = pass.HeldOut(models);
            trials.Add(new Compared<double>(Grid[i], logits.Judge(logits.Scale())));
            if (Best == trials[^1])
                Keep(models);
        }
    }

    // An objective curved by L2 at least is within |gradient|² / 2·L2 of its minimum: a tolerance in proportion to √L2
    // asks the same of every penalty. Half of this changed no log-loss of four tasks on real features by more than
    // 0.003.
    private static double Tolerance(double l2) => Math.Min(0.02, 0.05 * Math.Sqrt(l2));

    // The loss falls, then rises along the path, where it may first lie flat: penalties above the features' largest
    // variances differ in scale alone.
    private bool Past() =>
        trials.Count >= 3 && (Rises(^1) && Rises(^2) || trials[^1].Choice <= 0.1 && Idle(^1) && Idle(^2));

    private bool Rises(Index at) => trials[at].LogLoss > trials[at.GetOffset(trials.Count) - 1].LogLoss;

    private bool Idle(Index at) =>
        trials[at].LogLoss > 0.99 * trials.Take(at.GetOffset(trials.Count)).Min(trial => trial.LogLoss);

    private void Keep(SoftmaxModel[] models)
    {
        Array.Clear(start);
        Reference = models[0].Optimiser.Reference;
        foreach (SoftmaxModel model in models)
            Simd.AddScaled(start, 1f / models.Length, model.Optimiser.Trial.Span);
    }
}
