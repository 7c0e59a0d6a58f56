using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>Chooses the tap of a backbone by measurement on the training rows.</summary>
/// <remarks>
/// A softmax head is cross-validated on each tap's features over the same folds; the tap with the lowest held-out
/// log-loss at its best penalty is taken, the earlier one where two are equal. The last layer of a network is
/// specialised to the task it was trained on, so a middle tap is often the best, and which one differs from task to
/// task. Where no class has two rows there is nothing to measure and the caller's default is taken.
/// </remarks>
/// <param name="options">How the softmax heads are fitted; its penalty must not be given.</param>
public sealed class TapSelector(SoftmaxTrainerOptions? options = null)
{
    private readonly SoftmaxTrainer trainer = new((options ?? new SoftmaxTrainerOptions()) with { L2 = null });

    /// <summary>Measures every tap.</summary>
    /// <param name="train">Training rows with the features of all taps side by side.</param>
    /// <param name="taps">Name and width of each tap, in the order of the features; the widths sum to the
    /// table's.</param>
    /// <param name="progress">Told after every tap.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    /// <returns>A trial per tap, in the given order; none where nothing can be measured.</returns>
    public IReadOnlyList<TapTrial> Measure(
        FeatureTable train,
        IReadOnlyList<(string Name, int Width)> taps,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        if (taps.Sum(t => t.Width) != train.Width)
            throw new ArgumentException(
                $"The taps' widths sum to {taps.Sum(t => t.Width)}, the table has {train.Width} features.",
                nameof(taps)
            );
        var trials = new List<TapTrial>();
        int start = 0;
        foreach ((string name, int width) in taps)
        {
            progress?.Report(new FitProgress("Choosing the tap", trials.Count, taps.Count));
            Compared<double>? best = trainer
                .Fit(train.Columns(start, width), null, cancellation)
                .Report.L2Path.MinBy(t => t.LogLoss);
            if (best is null)
                return [];
            trials.Add(new TapTrial(name, width, best.Score));
            start += width;
        }

        progress?.Report(new FitProgress("Choosing the tap", taps.Count, taps.Count));
        return trials;
    }

    /// <summary>The tap to take: that with the lowest held-out log-loss.</summary>
    public static TapTrial Best(IReadOnlyList<TapTrial> trials) => trials.MinBy(t => t.LogLoss)!;
}

/// <summary>What cross-validation on the training part found for a tap.</summary>
/// <param name="Tap">Name of the tap.</param>
/// <param name="Width">Features per image.</param>
/// <param name="Score">What rows held out say of a softmax head on it, at its best penalty.</param>
public sealed record TapTrial(string Tap, int Width, HeldOut Score) : Compared<string>(Tap, Score)
{
    /// <summary>Stands for all taps, with the features selected across them, in place of a name.</summary>
    public const string AllTogether = "all together";

    /// <summary>Stands for the last three taps under a kernel head, in place of a name.</summary>
    public const string LastTogether = "last taps together";
}
