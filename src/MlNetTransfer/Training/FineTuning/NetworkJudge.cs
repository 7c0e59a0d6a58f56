using MlNetTransfer.Heads;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Training;

/// <summary>
/// Judges weights by the validation rows: log-loss at the best temperature, as heads are judged, and accuracy.
/// </summary>
/// <param name="run">What is trained, and how.</param>
/// <param name="untrained">The network as it is trained, with the weights to start from.</param>
/// <param name="images">The images.</param>
/// <param name="data">Their rows at the freeze boundary.</param>
/// <param name="validation">The rows that judge; none to judge nothing.</param>
/// <param name="cancellation">Honoured between two rows.</param>
internal sealed class NetworkJudge(
    FineTuneRun run,
    OnnxModel untrained,
    TrainingImages images,
    BoundaryRows data,
    IReadOnlyList<int> validation,
    CancellationToken cancellation
)
{
    /// <summary>Rows that judge.</summary>
    public int Rows => validation.Count;

    /// <summary>
    /// Log-loss (nats; the largest number where it is none) and accuracy in [0, 1]; nulls where no rows judge.
    /// </summary>
    public (double? Loss, double? Accuracy) Of(NetworkWeights weights)
    {
        if (Rows == 0)
            return (null, null);
        HeldOutLogits judged = Score(weights).Judged();
        L2Trial found = judged.Judge(0, judged.Temper());
        return (double.IsFinite(found.LogLoss) ? found.LogLoss : double.MaxValue, found.Accuracy);
    }

    /// <summary>The temperature that suits the rows; what was chosen elsewhere, or 1, where no rows judge.</summary>
    public TemperatureCalibration Calibrate(NetworkWeights weights) =>
        Rows > 0
            ? TemperatureCalibration.Fit(Score(weights))
            : new TemperatureCalibration(run.Chosen?.Temperature ?? 1, double.NaN, double.NaN, 0);

    /// <summary>
    /// The best epoch's weights, or, where the rows like them better, weights between those of the start and of the
    /// last epoch (WiSE-FT; Wortsman et al., 2022).
    /// </summary>
    /// <param name="state">A training that is over.</param>
    /// <returns>The weights; and 1 where they are an epoch's, else their share of the last epoch's.</returns>
    public (NetworkWeights Weights, float Share) Keep(TuneState state)
    {
        if (state.Last is not { } last)
            return (state.Best, 1);
        if (run.Chosen is { } chosen)
            return (Between(last, chosen.Share), chosen.Share);
        if (Rows == 0 || run.Strategy == TrainingStrategy.Scratch)
            return (state.Best, 1);
        (NetworkWeights Weights, float Share, double Loss) best = (state.Best, 1, state.BestLoss);
        foreach (float share in (float[])[0.25f, 0.5f, 0.75f])
        {
            NetworkWeights mixed = Between(last, share);
            if (Of(mixed).Loss is { } loss && loss < best.Loss)
                best = (mixed, share, loss);
        }

        return (best.Weights, best.Share);
    }

    private NetworkWeights Between(NetworkWeights last, float share) =>
        share == 1
            ? last
            : last.Mixed(
                new NetworkWeights(
                    untrained
                        .Initializers.Where(i => last.Values.ContainsKey(i.Name))
                        .ToDictionary(i => i.Name, TensorData.ToFloats)
                ),
                share
            );

    private OutOfFoldPredictions Score(NetworkWeights weights)
    {
        using var graph = new RowGraph(untrained.WithInitializers(weights.Values), run.Plan.Logits);
        int classes = images.ClassNames.Count;
        return new OutOfFoldPredictions(
            [.. validation],
            [.. validation.Select(r => images.Labels[r])],
            graph.Score(validation, data, images, classes, run.Workers, cancellation),
            classes
        );
    }
}
