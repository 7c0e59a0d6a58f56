using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>Chooses the penalty by cross-validation, all folds side by side, from strong to weak, each penalty starting where the one before it ended.</summary>
internal sealed class PenaltyPath
{
    /// <summary>The penalty where no row can be held out: every class has a single row.</summary>
    public const double Fallback = 1;

    // Held-out losses are compared, not weights: ten times looser moved no choice and no loss by more than 1e-4 on real features.
    private const double Tolerance = 1e-3;
    private const int MaxIterations = 100;
    private readonly SoftmaxDesign design;
    private readonly List<L2Trial> trials = [];
    private readonly float[] start;

    public PenaltyPath(SoftmaxDesign design)
    {
        this.design = design;
        start = new float[design.ModelLength];
    }

    /// <summary>Penalties that are tried: 10, 10^0.5, …, 1e-5.</summary>
    public static IReadOnlyList<double> Grid { get; } = [.. Enumerable.Range(0, 7).Select(i => Math.Pow(10, 1 - i))];

    public IReadOnlyList<L2Trial> Trials => trials;

    /// <summary>The penalty with the lowest held-out loss.</summary>
    public double Best => trials.Count == 0 ? Fallback : trials.MinBy(trial => trial.LogLoss)!.L2;

    /// <summary>Mean of the folds' weights at the best penalty: where the fit on all rows starts.</summary>
    public ReadOnlySpan<float> Start => start;

    public void Walk(int folds, ParallelOptions parallel, IProgress<FitProgress>? progress)
    {
        SoftmaxModel[] models = [.. Enumerable.Range(0, folds).Select(fold => new SoftmaxModel(design, fold))];
        var pass = new SoftmaxPass(design, parallel);
        for (int i = 0; i < Grid.Count && !Past(); i++)
        {
            progress?.Report(new FitProgress("Choosing the L2 penalty", i, Grid.Count));
            foreach (SoftmaxModel model in models) model.Start(Grid[i], Tolerance, MaxIterations);
            pass.Minimise(models);
            trials.Add(pass.HeldOut(models).Judge(Grid[i]));
            if (Best == Grid[i]) Keep(models);
        }
    }

    // The loss falls, then rises along the path; two rises in a row are past its valley.
    private bool Past() => trials.Count >= 3 && trials[^1].LogLoss > trials[^2].LogLoss && trials[^2].LogLoss > trials[^3].LogLoss;

    private void Keep(SoftmaxModel[] models)
    {
        Array.Clear(start);
        foreach (SoftmaxModel model in models) Simd.AddScaled(start, 1f / models.Length, model.Optimiser.Trial.Span);
    }
}
