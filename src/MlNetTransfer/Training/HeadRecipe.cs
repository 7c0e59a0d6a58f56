using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>How features become a classifier: choose the tap, then fit the head, on training rows only. The same recipe is followed in every fold, by the training job and by the estimator chain.</summary>
/// <remarks>
/// The automatic choice takes the single tap with the lowest held-out log-loss and the best head on it; but all taps together, with the features selected
/// across them, where their held-out log-loss is lower still. All figures are of the training rows, of about 2,000 of them where there are more; the
/// head that is taken is fitted on all.
/// </remarks>
/// <param name="options">How.</param>
/// <param name="groups">The taps whose features stand side by side in a row.</param>
/// <param name="defaultTap">The tap that is taken where there are too few rows to compare.</param>
internal sealed class HeadRecipe(HeadRecipeOptions options, TapGroups groups, string defaultTap)
{
    private readonly HeadChoice head = new(options);

    /// <summary>Follows the recipe.</summary>
    /// <param name="train">Training rows with the features of all taps side by side.</param>
    /// <param name="progress">Told how far each stage is.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    public FittedHead Fit(FeatureTable train, IProgress<FitProgress>? progress, CancellationToken cancellation)
    {
        int taps = groups.Names.Count;
        if (taps == 1) return new FittedHead(Range.All, 0, head.Fit(train, 0, progress, cancellation), []);
        if (!options.ChoosesTap) return new FittedHead(Range.All, 0, head.IsFree ? Together(train, progress, cancellation).Selection : head.Fit(train, 0, progress, cancellation), []);

        FeatureTable compared = StratifiedSample.Of(train, StratifiedSample.ComparedRows, options.Seed);
        IReadOnlyList<TapTrial> trials = new TapSelector(head.Softmax).Measure(compared, [.. groups.Names.Zip(groups.Widths)], progress, cancellation);
        string best = trials.Count > 0 ? TapSelector.Best(trials).Tap : defaultTap;
        int index = groups.Names.ToList().IndexOf(best), start = groups.Widths.Take(index).Sum();
        HeadSelection single = head.Fit(train.Columns(start, groups.Widths[index]), start, progress, cancellation);
        var one = new FittedHead(index..(index + 1), start, single, trials);
        if (trials.Count == 0 || single.Trials.Count == 0) return one;

        (HeadSelection together, FractionTrial trial) = Together(compared, progress, cancellation);
        trials = [.. trials, new TapTrial("all together", train.Width, trial.LogLoss, trial.StandardError, trial.Accuracy)];
        if (trial.LogLoss >= single.Trials.First(t => t.Name == single.Name).LogLoss) return one with { TapTrials = trials };
        if (compared.Rows < train.Rows) together = Together(train, progress, cancellation, trial.Fraction).Selection;
        return new FittedHead(Range.All, 0, together, trials);
    }

    private (HeadSelection Selection, FractionTrial Trial) Together(FeatureTable train, IProgress<FitProgress>? progress, CancellationToken cancellation, double? fraction = null)
    {
        MultiTapHead fitted = new MultiTapTrainer(groups, new MultiTapTrainerOptions { Fraction = fraction, Seed = options.Seed, Workers = options.Workers }).Fit(train, progress, cancellation);
        FractionTrial trial = fitted.Trials.FirstOrDefault(t => t.Fraction == fitted.Fraction) ?? new FractionTrial(fitted.Fraction, 1, 0, 0, 0);
        return (new HeadSelection("discriminant on selected features", fitted, fitted.Temperature, [], train.Rows), trial);
    }
}
