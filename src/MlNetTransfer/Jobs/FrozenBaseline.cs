using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Jobs;

/// <summary>What a training of the network is worth.</summary>
public enum TransferVerdict
{
    /// <summary>The trained network is more often right; the interval of the difference is above 0.</summary>
    Helped,

    /// <summary>The images do not tell the two apart.</summary>
    NoDifference,

    /// <summary>Negative transfer: the trained network is less often right; the interval is below 0.</summary>
    Harmed,
}

/// <summary>
/// A head on the frozen features, judged on the very images that a trained network was judged on: whether training the
/// network was worth it.
/// </summary>
public sealed record FrozenBaseline
{
    /// <summary>The kind of head that was chosen.</summary>
    public required string Head { get; init; }

    /// <summary>Share of the evaluated images that it takes for the right class, in [0, 1].</summary>
    public required double Accuracy { get; init; }

    /// <summary>95 % Wilson interval of that [low, high].</summary>
    public required IReadOnlyList<double> AccuracyInterval { get; init; }

    /// <summary>Its mean log-loss in nats.</summary>
    public required double LogLoss { get; init; }

    /// <summary>Accuracy of the trained network less that of this head, on the same images.</summary>
    public required double Gain { get; init; }

    /// <summary>The 95 % interval of that [low, high], see <see cref="PairedDifference"/>.</summary>
    public required IReadOnlyList<double> GainInterval { get; init; }

    /// <summary>What that says.</summary>
    public TransferVerdict Verdict =>
        GainInterval[0] > 0 ? TransferVerdict.Helped
        : GainInterval[1] < 0 ? TransferVerdict.Harmed
        : TransferVerdict.NoDifference;

    /// <param name="frozen">The head's trial.</param>
    /// <param name="trained">The trained network's, on the same images.</param>
    /// <param name="labels">Label of every image of the run.</param>
    internal static FrozenBaseline Of(Trial frozen, Trial trained, IReadOnlyList<int> labels)
    {
        ClassificationReport report = frozen.Report!;
        var gain = PairedDifference.Of(Right(frozen, labels), Right(trained, labels));
        Interval interval = gain.Interval();
        return new FrozenBaseline
        {
            Head = frozen.Fit.Head.Selection.Name,
            Accuracy = report.Accuracy,
            AccuracyInterval = [report.AccuracyInterval.Low, report.AccuracyInterval.High],
            LogLoss = report.LogLoss,
            Gain = gain.Value,
            GainInterval = [interval.Low, interval.High],
        };
    }

    private static bool[] Right(Trial trial, IReadOnlyList<int> labels) =>
        JudgedRows.Right(
            [.. trial.TestRows.Select(row => labels[row])],
            trial.Probabilities,
            trial.Report!.ClassNames.Count
        );
}
