using MlNetTransfer.Backbones;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Heads;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Runtime;
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

    /// <summary>Log-loss (nats) of answering with the frequencies of the rows' classes: their entropy.</summary>
    public double Chance =>
        -validation.CountBy(row => images.Labels[row]).Sum(c => c.Value * Math.Log((double)c.Value / Rows)) / Rows;

    /// <summary>
    /// Log-loss (nats; the largest number where it is none) and accuracy in [0, 1]; nulls where no rows judge.
    /// </summary>
    public (double? Loss, double? Accuracy) Of(NetworkWeights weights)
    {
        if (Rows == 0)
            return (null, null);
        HeldOutLogits judged = Score(weights).Judged(areFew: true);
        HeldOut found = judged.Judge(judged.Temper());
        return (double.IsFinite(found.LogLoss) ? found.LogLoss : double.MaxValue, found.Accuracy);
    }

    /// <summary>What weights say of the rows; null where no rows judge.</summary>
    public OutOfFoldPredictions? Answers(NetworkWeights weights) => Rows > 0 ? Score(weights) : null;

    /// <summary>The temperature that suits answers; what was chosen elsewhere, or 1, where there are none.</summary>
    public TemperatureCalibration Calibrate(OutOfFoldPredictions? answers) =>
        answers is not null
            ? TemperatureCalibration.Fit(answers.Judged(areFew: true))
            : new TemperatureCalibration(run.Chosen?.Temperature ?? 1, double.NaN, double.NaN, 0);

    /// <summary>
    /// The best epoch's weights, or, where the rows like them better, weights between those of the start and of the
    /// last epoch (WiSE-FT; Wortsman et al., 2022).
    /// </summary>
    /// <param name="state">A training that is over.</param>
    /// <returns>
    /// The weights; 1 where they are an epoch's, else their share of the last epoch's; and the epoch. Where none was
    /// better than the start the last one's, which another head may make more of; 0 where those give no number.
    /// </returns>
    public (NetworkWeights Weights, float Share, int Epoch) Keep(TuneState state)
    {
        if (state.Last is not { } last)
            return (state.Best, 1, state.BestEpoch);
        if (run.Chosen is { } chosen)
            return (Between(last, chosen.Share), chosen.Share, chosen.Share < 1 ? state.Epoch : state.BestEpoch);
        if (Rows == 0 || run.Start.IsRandom)
            return (state.Best, 1, state.BestEpoch);
        (NetworkWeights Weights, float Share, double Loss) best = (state.Best, 1, state.BestLoss);
        foreach (float share in (float[])[0.25f, 0.5f, 0.75f])
        {
            NetworkWeights mixed = Between(last, share);
            if (Of(mixed).Loss is { } loss && loss < best.Loss)
                best = (mixed, share, loss);
        }

        if (best.Share < 1)
            return (best.Weights, best.Share, state.Epoch);
        if (state.BestEpoch > 0)
            return (best.Weights, 1, state.BestEpoch);
        // Weights that give no number are none to fit a head on.
        return Of(last).Loss < double.MaxValue ? (last, 1, state.Epoch) : (state.Best, 1, 0);
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

/// <summary>
/// The trained part of a network as an inference graph, from rows at the boundary to logits. Any number of workers;
/// results do not depend on it.
/// </summary>
internal sealed class RowGraph : IDisposable
{
    private readonly OrtSession session;
    private readonly string input;
    private readonly string output;

    public RowGraph(OnnxModel forward, string logits)
    {
        (input, output) = (forward.Inputs.Single().Name, logits);
        session = new OrtSession(
            forward.ToBytes(),
            ExecutionPlan.For(ExecutionProvider.Cpu).Settings,
            "the trained network"
        );
    }

    /// <summary>Logits of rows.</summary>
    /// <param name="rows">Which rows.</param>
    /// <param name="data">Where they come from.</param>
    /// <param name="source">The images.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="workers">Rows at a time.</param>
    /// <param name="cancellation">Ends the work between two rows.</param>
    /// <returns>Logits [rows × classes].</returns>
    public float[] Score(
        IReadOnlyList<int> rows,
        BoundaryRows data,
        TrainingImages source,
        int classes,
        int workers,
        CancellationToken cancellation
    )
    {
        var logits = new float[rows.Count * classes];
        int next = -1;
        using var group = new WorkerGroup(cancellation);
        for (int w = 0; w < Math.Min(workers, rows.Count); w++)
            group.Start(token =>
            {
                using BoundaryReader reader = data.CreateReader();
                long[] shape =
                    session.Inputs[input].Dimensions.Length == 2
                        ? [data.Length]
                        : [.. data.Encoder.Inputs.Single().Shape.Select(size => (long)size)];
                RowTensor<float> row = new(input, rows: 1, shape),
                    found = new(output, rows: 1, classes);
                using BoundRows bound = new(session, [row], [found]);
                for (int i; (i = Interlocked.Increment(ref next)) < rows.Count; )
                {
                    token.ThrowIfCancellationRequested();
                    reader.Read(source.Items[rows[i]], source.Digest(rows[i]), 0, row[0]);
                    bound.Run(1);
                    found[0].CopyTo(logits.AsSpan(i * classes));
                }
            });
        group.Wait();
        return logits;
    }

    public void Dispose() => session.Dispose();
}
