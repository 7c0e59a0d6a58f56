using MlNetTransfer.Imaging.Augmentation;

namespace MlNetTransfer.Training;

/// <summary>Draws the recipes of a search; what the user has set stays.</summary>
/// <remarks>
/// Random search (Bergstra and Bengio, Random Search for Hyper-Parameter Optimization, JMLR 2012): the learning rate is
/// uniform on a logarithmic scale, a third to ten times around its default; what is frozen, augmentation, weight decay,
/// label smoothing and dropout are drawn from a few values each. The first recipe is the defaults, at the usual rate:
/// the search is the race.
/// </remarks>
/// <param name="fixed">What the user has set; what differs from the defaults is not drawn.</param>
/// <param name="start">Where the training starts, with its defaults.</param>
/// <param name="images">Whether it is of images, which alone are augmented.</param>
/// <param name="seed">Equal seeds give equal recipes.</param>
internal sealed class SearchSpace(FineTuneOptions @fixed, NetworkStart start, bool images, int seed)
{
    private static readonly FineTuneOptions Standard = new();
    private static readonly double[] Frozen = [0, 0.25, 0.5, 0.75],
        Decays = [0, 0.01, 0.1],
        Smoothings = [0, 0.1, 0.2],
        Drops = [0, 0.2, 0.5];
    private static readonly AugmentationPreset[] Augmentations =
    [
        AugmentationPreset.None,
        AugmentationPreset.Light,
        AugmentationPreset.Strong,
    ];

    private double Rate => start.LearningRateOf(@fixed);

    /// <summary>The recipe of a trial, from 0; each is drawn by itself.</summary>
    public FineTuneOptions Recipe(int trial)
    {
        if (trial == 0)
            return @fixed with { LearningRate = @fixed.LearningRate ?? Rate };
        var rng = new Rng(unchecked(seed * 1_000_003 + trial));
        double rate = Rate * Math.Pow(10, rng.NextDouble() * 1.5 - 0.5);
        // All are drawn, so that one that is set does not move the others.
        double frozen = Of(Frozen),
            decay = Of(Decays),
            smoothing = Of(Smoothings),
            drop = Of(Drops);
        AugmentationPreset augmentation = Augmentations[rng.Next(Augmentations.Length)];
        return @fixed with
        {
            LearningRate = @fixed.LearningRate ?? RateRace.Rounded(rate),
            Freeze = @fixed.Freeze ?? (start.IsRandom ? null : FreezeBoundary.OfFraction(frozen)),
            WeightDecay = @fixed.WeightDecay != Standard.WeightDecay ? @fixed.WeightDecay : decay,
            LabelSmoothing = @fixed.LabelSmoothing != Standard.LabelSmoothing ? @fixed.LabelSmoothing : smoothing,
            Dropout = @fixed.Dropout != Standard.Dropout ? @fixed.Dropout : drop,
            Augmentation = !images || @fixed.Augmentation != Standard.Augmentation ? @fixed.Augmentation : augmentation,
        };

        double Of(double[] values) => values[rng.Next(values.Length)];
    }
}

/// <summary>Which trials go on, and for how long: successive halving.</summary>
/// <remarks>
/// Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization, AISTATS 2016: all
/// trials get a few epochs, the better third three times as many, until the rest get all.
/// </remarks>
internal static class SuccessiveHalving
{
    /// <summary>A third goes on.</summary>
    public const int Eta = 3;

    /// <summary>Epochs and trials of each rung, the first with all trials; the last has all epochs.</summary>
    /// <param name="trials">Number of trials, at least 1.</param>
    /// <param name="epochs">Epochs of a whole training, at least 1.</param>
    public static IReadOnlyList<(int Epochs, int Trials)> Rungs(int trials, int epochs)
    {
        int rungs = 1;
        while (trials / Math.Pow(Eta, rungs) >= 1 && epochs / Math.Pow(Eta, rungs) >= 1)
            rungs++;
        return
        [
            .. Enumerable
                .Range(0, rungs)
                .Select(rung =>
                    (
                        Math.Max(1, (int)Math.Round(epochs / Math.Pow(Eta, rungs - 1 - rung))),
                        Math.Max(1, (int)(trials / Math.Pow(Eta, rung)))
                    )
                ),
        ];
    }
}
