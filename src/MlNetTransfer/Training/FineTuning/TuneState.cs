namespace MlNetTransfer.Training;

/// <summary>All that a training depends on after an epoch, besides the images and the options.</summary>
internal sealed record TuneState
{
    /// <summary>Stage, from 0.</summary>
    public int Stage { get; init; }

    /// <summary>Epochs done, over all stages.</summary>
    public int Epoch { get; init; }

    /// <summary>Steps done in the stage.</summary>
    public long StageSteps { get; init; }

    /// <summary>Steps done, over all stages.</summary>
    public long Steps { get; init; }

    /// <summary>Epochs since the lowest validation loss of an epoch.</summary>
    public int Waited { get; init; }

    /// <summary>
    /// Lowest validation loss of an epoch, that of the start not counted: the first epochs may be worse than it.
    /// </summary>
    public double LowestLoss { get; init; } = double.PositiveInfinity;

    /// <summary>The best epoch, 0 for the start; -1 before anything could be judged.</summary>
    public int BestEpoch { get; init; } = -1;

    /// <summary>Validation loss of the best epoch.</summary>
    public double BestLoss { get; init; } = double.PositiveInfinity;

    /// <summary>Why training ended before its last epoch; null where it did not.</summary>
    public string? Ended { get; init; }

    /// <summary>Whether nothing is left to train.</summary>
    public bool IsDone { get; init; }

    /// <summary>What the stage started from.</summary>
    public required NetworkWeights Start { get; init; }

    /// <summary>The weights of the best epoch.</summary>
    public required NetworkWeights Best { get; init; }

    /// <summary>The weights after the last epoch; null before the first is over.</summary>
    public NetworkWeights? Last { get; init; }

    /// <summary>The session's state after the last epoch; empty at the start of a stage.</summary>
    public byte[] Session { get; init; } = [];

    /// <summary>
    /// The state after the last epoch was judged: its weights are the best where its validation loss is lower than any
    /// before, or where there is none.
    /// </summary>
    /// <param name="loss">Validation loss of the last epoch; null where no rows judge.</param>
    public TuneState Judged(double? loss)
    {
        double found = loss ?? double.PositiveInfinity;
        bool better = loss is null || found < BestLoss;
        TuneState next = this with
        {
            Waited = better || found < LowestLoss ? 0 : Waited + 1,
            LowestLoss = Math.Min(found, LowestLoss),
        };
        return better ? next with { Best = Last!, BestEpoch = Epoch, BestLoss = found } : next;
    }
}
