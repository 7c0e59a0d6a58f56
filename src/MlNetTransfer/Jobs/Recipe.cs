using MlNetTransfer.Backbones;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Jobs;

/// <summary>How features become a classifier: choose the tap, then fit the head, on training rows only. The same recipe is followed in every fold.</summary>
/// <remarks>
/// The automatic choice takes the single tap with the lowest held-out log-loss and the best head on it; but all taps together, with the features selected
/// across them, where their held-out log-loss is lower still. All figures are of the training rows, of about 2,000 of them where there are more; the
/// head that is taken is fitted on all.
/// </remarks>
/// <param name="options">The run.</param>
/// <param name="card">The backbone.</param>
internal sealed class Recipe(TrainOptions options, BackboneCard card)
{
    private readonly HeadChoice head = new(options);

    /// <summary>The taps whose features are needed: those asked for, or every one to choose from.</summary>
    public IReadOnlyList<string> Taps { get; } = options.Taps ?? [.. card.Taps.Select(t => t.Name)];

    private bool ChoosesTap => options.Taps is null && Taps.Count > 1;

    /// <summary>Follows the recipe.</summary>
    /// <param name="train">Training rows with the features of all <see cref="Taps"/> side by side.</param>
    /// <param name="progress">Told how far each stage is.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    public FittedRecipe Fit(FeatureTable train, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        var told = progress is null ? null : new HeadProgress(progress);
        (string Name, int Width)[] taps = [.. Taps.Select(name => (name, card.Tap(name).Width))];
        if (!ChoosesTap) return new FittedRecipe(Range.All, 0, taps.Length > 1 && head.IsFree ? Together(train, taps, told, cancellation).Selection : head.Fit(train, told, cancellation), []);

        FeatureTable compared = StratifiedSample.Of(train, StratifiedSample.ComparedRows, options.Seed);
        IReadOnlyList<TapTrial> trials = new TapSelector(head.Softmax).Measure(compared, taps, told, cancellation);
        string best = trials.Count > 0 ? TapSelector.Best(trials).Tap : card.DefaultTap;
        int index = Array.FindIndex(taps, t => t.Name == best), start = taps.Take(index).Sum(t => t.Width);
        HeadSelection single = head.Fit(train.Columns(start, taps[index].Width), told, cancellation);
        var one = new FittedRecipe(index..(index + 1), start, single, trials);
        if (trials.Count == 0 || single.Trials.Count == 0) return one;

        (HeadSelection together, FractionTrial trial) = Together(compared, taps, told, cancellation);
        trials = [.. trials, new TapTrial("all together", train.Width, trial.LogLoss, trial.StandardError, trial.Accuracy)];
        if (trial.LogLoss >= single.Trials.First(t => t.Name == single.Name).LogLoss) return one with { TapTrials = trials };
        if (compared.Rows < train.Rows) together = Together(train, taps, told, cancellation, trial.Fraction).Selection;
        return new FittedRecipe(Range.All, 0, together, trials);
    }

    private (HeadSelection Selection, FractionTrial Trial) Together(FeatureTable train, (string Name, int Width)[] taps, IProgress<FitProgress>? progress, CancellationToken cancellation, double? fraction = null)
    {
        var groups = new TapGroups([.. taps.Select(t => t.Name)], [.. taps.Select(t => t.Width)]);
        MultiTapHead fitted = new MultiTapTrainer(groups, new MultiTapTrainerOptions { Fraction = fraction, Seed = options.Seed, Workers = options.Workers }).Fit(train, progress, cancellation);
        FractionTrial trial = fitted.Trials.FirstOrDefault(t => t.Fraction == fitted.Fraction) ?? new FractionTrial(fitted.Fraction, 1, 0, 0, 0);
        return (new HeadSelection("discriminant on selected features", fitted, fitted.Temperature, [], train.Rows), trial);
    }

    private sealed class HeadProgress(IProgress<JobProgress> progress) : IProgress<FitProgress>
    {
        public void Report(FitProgress value) => progress.Report(new JobProgress(value.Stage, value.Done, value.Total));
    }
}
