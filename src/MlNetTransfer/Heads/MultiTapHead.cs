namespace MlNetTransfer.Heads;

/// <summary>A linear head on several taps; features that were not kept have weight 0. Immutable.</summary>
public sealed class MultiTapHead : LinearHead
{
    internal MultiTapHead(
        IReadOnlyList<string> classNames,
        int width,
        float[] weights,
        float[] bias,
        double fraction,
        double temperature,
        int[] keptPerTap,
        IReadOnlyList<FractionTrial> trials
    )
        : base(classNames, width, weights, bias) =>
        (Fraction, Temperature, KeptPerTap, Trials) = (fraction, temperature, keptPerTap, trials);

    /// <summary>Share of the features that was kept.</summary>
    public double Fraction { get; }

    /// <summary>
    /// What the logits were divided by to calibrate them; it is folded into the weights. 1 where no row could be held
    /// out.
    /// </summary>
    public double Temperature { get; }

    /// <summary>Features kept of each tap [taps].</summary>
    public IReadOnlyList<int> KeptPerTap { get; }

    /// <summary>The shares that were tried; empty where the share was given or no row could be held out.</summary>
    public IReadOnlyList<FractionTrial> Trials { get; }
}
