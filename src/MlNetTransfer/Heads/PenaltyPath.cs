using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

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
    private readonly List<L2Trial> trials = [];
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

    public IReadOnlyList<L2Trial> Trials => trials;

    /// <summary>The trial with the lowest held-out loss.</summary>
    public L2Trial? Best => trials.MinBy(trial => trial.LogLoss);

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
            trials.Add(logits.Judge(Grid[i], logits.Scale()));
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
        trials.Count >= 3 && (Rises(^1) && Rises(^2) || trials[^1].L2 <= 0.1 && Idle(^1) && Idle(^2));

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
