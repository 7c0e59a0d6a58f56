using MlNetTransfer.Backbones;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Jobs;

/// <summary>How features become a classifier: choose the tap, then fit the head, on training rows only. The same recipe is followed in every fold.</summary>
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
        if (!ChoosesTap) return new FittedRecipe(Range.All, 0, head.Fit(train, told, cancellation), []);

        (string Name, int Width)[] taps = [.. Taps.Select(name => (name, card.Tap(name).Width))];
        IReadOnlyList<TapTrial> trials = new TapSelector(head.Softmax).Measure(train, taps, told, cancellation);
        string best = trials.Count > 0 ? TapSelector.Best(trials).Tap : card.DefaultTap;
        int index = Array.FindIndex(taps, t => t.Name == best), start = taps.Take(index).Sum(t => t.Width);
        return new FittedRecipe(index..(index + 1), start, head.Fit(train.Columns(start, taps[index].Width), told, cancellation), trials);
    }

    private sealed class HeadProgress(IProgress<JobProgress> progress) : IProgress<FitProgress>
    {
        public void Report(FitProgress value) => progress.Report(new JobProgress(value.Stage, value.Done, value.Total));
    }
}
