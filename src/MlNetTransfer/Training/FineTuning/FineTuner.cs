using MlNetTransfer.Datasets;
using MlNetTransfer.Graphs;
using MlNetTransfer.Graphs.Training;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>Trains the upper blocks of a network together with its head, from a head that was fitted on the frozen features (LP-FT; Kumar et al., 2022).</summary>
/// <remarks>
/// Every epoch is judged by the log-loss of the validation rows at the best temperature; the weights of the best epoch are kept, the start included. The order of the
/// rows, the variants and the dropout of an epoch depend on the seed and the epoch's number alone, so that a training that goes on from a checkpoint gives the
/// same bytes as one that was never interrupted.
/// </remarks>
/// <param name="run">What is trained, and how.</param>
/// <param name="images">The images.</param>
/// <param name="data">Their rows at the freeze boundary.</param>
/// <param name="clock">Measures seconds.</param>
internal sealed class FineTuner(FineTuneRun run, TrainingImages images, BoundaryRows data, TimeProvider clock)
{
    private readonly FineTuneOptions options = run.Options;
    private readonly FineTunePlan plan = run.Plan;
    private readonly TrainingSetUp setUp = new(run.Options, run.Strategy, run.Plan);
    private readonly int classes = images.ClassNames.Count;
    private readonly int epochs = run.Chosen?.Epochs ?? new TrainingSetUp(run.Options, run.Strategy, run.Plan).Epochs;

    /// <summary>Trains.</summary>
    /// <param name="rows">Rows to fit on, and rows to validate on.</param>
    /// <param name="head">The head to start from; as wide as the features.</param>
    /// <param name="checkpoint">Where the state is kept after every epoch, and found after an interruption.</param>
    /// <param name="resume">Whether to go on from the checkpoint.</param>
    /// <param name="metrics">Told about every epoch.</param>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellation">Honoured between two steps.</param>
    public TunedNetwork Fit(TrainTestRows rows, LinearHead head, TuneCheckpoint checkpoint, bool resume, MetricsFile metrics, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        int[] train = [.. rows.Train];
        using var feed = new BatchFeed(images, data, run.Workers);
        TuneState? saved = resume ? checkpoint.Load() : null;
        metrics.Rewind(run.Fold, run.Chosen is not null, saved?.Epoch ?? -1);
        OnnxModel untrained = plan.Forward(head.Weights.Span, head.Bias.Span, options.Dropout);
        if (saved is not { IsDone: true }) Warm(feed, train, rows.Test, progress, cancellation);
        TuneState state = saved ?? Begin(untrained, head, rows.Test, metrics, cancellation);
        var targets = new SoftTargets(images.Labels, classes, train, run.ClassWeights, options.LabelSmoothing);
        long started = clock.GetTimestamp();
        var told = new TuneProgress(progress, run, epochs, clock);
        while (!state.IsDone)
        {
            using var stage = new TuneStage(run, untrained.WithInitializers(state.Start.Values), state, train, targets, data);
            state = Stage(state, stage, untrained, rows.Test, feed, checkpoint, metrics, told, started, cancellation);
        }

        return Finish(state, untrained, head, rows.Test, cancellation);
    }

    private void Warm(BatchFeed feed, int[] train, IReadOnlyList<int> validation, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        if (!data.IsCached) return;
        IEnumerable<int> draws = run.Varies ? Enumerable.Range(1, Math.Min(options.Draws, epochs)) : [0];
        feed.Warm([.. draws.SelectMany(draw => train.Select(row => (row, draw))), .. validation.Select(row => (row, 0))], progress, cancellation);
    }

    private TuneState Begin(OnnxModel untrained, LinearHead head, IReadOnlyList<int> validation, MetricsFile metrics, CancellationToken cancellation)
    {
        long started = clock.GetTimestamp();
        var start = new NetworkWeights(new Dictionary<string, float[]> { [plan.HeadWeight] = head.Weights.ToArray(), [plan.HeadBias] = head.Bias.ToArray() });
        Judgement found = Judge(untrained, start, validation, cancellation);
        metrics.Add(new EpochResult { Fold = run.Fold, Refit = run.Chosen is not null, Stage = "head", Epoch = 0, Step = 0, TrainLoss = null, ValidationLoss = found.Loss, ValidationAccuracy = found.Accuracy, LearningRates = new Dictionary<string, double>(), Seconds = clock.GetElapsedTime(started).TotalSeconds });
        var state = new TuneState { Start = start, Best = start };
        return run.Strategy == TrainingStrategy.Scratch ? state : state with { BestEpoch = 0, BestLoss = found.Loss ?? double.PositiveInfinity };
    }

    private TuneState Stage(TuneState state, TuneStage stage, OnnxModel untrained, IReadOnlyList<int> validation, BatchFeed feed, TuneCheckpoint checkpoint, MetricsFile metrics, TuneProgress progress, long started, CancellationToken cancellation)
    {
        for (int number = state.Stage; state.Stage == number && !state.IsDone; checkpoint.Save(state))
        {
            long begun = clock.GetTimestamp(), before = stage.StepsDone;
            int epoch = state.Epoch + 1;
            (double loss, string? broken) = stage.Run(epoch, feed, data, progress, cancellation);
            if (broken is not null)
            {
                if (state.BestEpoch < 0) throw new TransferException($"Training failed before any epoch was over: {broken}.");
                state = state with { Ended = broken, IsDone = true };
                continue;
            }

            IReadOnlyDictionary<string, float[]> trained = options.AverageDecay is null ? stage.Session.Parameters() : stage.Session.Averages();
            NetworkWeights weights = state.Start.With(trained);
            Judgement found = Judge(untrained, weights, validation, cancellation);
            progress.Judged(found.Loss, found.Accuracy);
            double lowest = found.Loss ?? double.PositiveInfinity;
            bool better = found.Loss is null || lowest < state.BestLoss;
            state = state with { Epoch = epoch, Steps = state.Steps + stage.StepsDone - before, StageSteps = stage.StepsDone, Waited = better || lowest < state.LowestLoss ? 0 : state.Waited + 1, LowestLoss = Math.Min(lowest, state.LowestLoss), Last = weights, Session = stage.Save() };
            if (better) state = state with { Best = weights, BestEpoch = epoch, BestLoss = lowest };
            metrics.Add(new EpochResult { Fold = run.Fold, Refit = run.Chosen is not null, Stage = $"blocks {stage.FirstBlock + 1} to {plan.Blocks.Count}", Epoch = epoch, Step = state.Steps, TrainLoss = loss, ValidationLoss = found.Loss, ValidationAccuracy = found.Accuracy, LearningRates = stage.Rates, Seconds = clock.GetElapsedTime(begun).TotalSeconds });
            state = Ended(state, clock.GetElapsedTime(started));
            if (!state.IsDone && epoch == stage.LastEpoch) state = state with { Stage = number + 1, StageSteps = 0, Start = state.Start.With(stage.Session.Parameters()), Session = [] };
        }

        return state;
    }

    /// <summary>Whether there is another epoch.</summary>
    private TuneState Ended(TuneState state, TimeSpan elapsed)
    {
        if (state.Epoch == epochs) return state with { IsDone = true };
        if (state.Waited >= setUp.Patience) return state with { IsDone = true, Ended = $"the validation loss had not fallen for {state.Waited} epochs" };
        return options.TimeBudget is { } budget && elapsed >= budget ? state with { IsDone = true, Ended = $"the time budget of {budget} was used up" } : state;
    }

    private readonly record struct Judgement(double? Loss, double? Accuracy);

    private Judgement Judge(OnnxModel model, NetworkWeights weights, IReadOnlyList<int> validation, CancellationToken cancellation)
    {
        if (validation.Count == 0) return default;
        HeldOutLogits judged = Score(model, weights, validation, cancellation).Judged();
        L2Trial found = judged.Judge(0, judged.Temper());
        return double.IsFinite(found.LogLoss) ? new Judgement(found.LogLoss, found.Accuracy) : new Judgement(double.MaxValue, found.Accuracy);
    }

    private OutOfFoldPredictions Score(OnnxModel model, NetworkWeights weights, IReadOnlyList<int> validation, CancellationToken cancellation)
    {
        using var graph = new RowGraph(model.WithInitializers(weights.Values), plan.Logits);
        return new OutOfFoldPredictions([.. validation], [.. validation.Select(r => images.Labels[r])], graph.Score(validation, data, images, classes, run.Workers, cancellation), classes);
    }

    private TunedNetwork Finish(TuneState state, OnnxModel untrained, LinearHead start, IReadOnlyList<int> validation, CancellationToken cancellation)
    {
        if (state.BestEpoch < 0) throw new TransferException("Training gave no epoch whose validation loss is a number. Take a lower --lr.");
        (NetworkWeights kept, float share) = run.Chosen is { } chosen ? (Mixed(state, untrained, chosen.Share), chosen.Share) : Mix(state, untrained, validation, cancellation);
        Dictionary<string, float[]> backbone = new(kept.Values);
        backbone.Remove(plan.HeadWeight, out float[]? weights);
        backbone.Remove(plan.HeadBias, out float[]? bias);
        var head = new LinearHead(start.ClassNames, start.Width, weights!, bias!);
        TemperatureCalibration calibration = validation.Count == 0 ? new TemperatureCalibration(run.Chosen?.Temperature ?? 1, double.NaN, double.NaN, 0) : TemperatureCalibration.Fit(Score(untrained, kept, validation, cancellation));
        return new TunedNetwork(new NetworkWeights(backbone), (LinearHead)calibration.Apply(head), calibration.Temperature, share < 1 ? state.Epoch : state.BestEpoch, share, state.Epoch, validation.Count, state.Ended);
    }

    /// <summary>The best epoch's weights, or, where the validation rows like them better, weights between those of the start and of the last epoch (WiSE-FT; Wortsman et al., 2022).</summary>
    private (NetworkWeights Weights, float Share) Mix(TuneState state, OnnxModel untrained, IReadOnlyList<int> validation, CancellationToken cancellation)
    {
        if (state.Last is null || validation.Count == 0 || run.Strategy == TrainingStrategy.Scratch) return (state.Best, 1);
        (NetworkWeights Weights, float Share, double Loss) best = (state.Best, 1, state.BestLoss);
        foreach (float share in (float[])[0.25f, 0.5f, 0.75f])
        {
            NetworkWeights mixed = Mixed(state, untrained, share);
            if (Judge(untrained, mixed, validation, cancellation).Loss is { } loss && loss < best.Loss) best = (mixed, share, loss);
        }

        return (best.Weights, best.Share);
    }

    private static NetworkWeights Mixed(TuneState state, OnnxModel untrained, float share)
    {
        NetworkWeights last = state.Last!;
        return share == 1 ? last : last.Mixed(new NetworkWeights(untrained.Initializers.Where(i => last.Values.ContainsKey(i.Name)).ToDictionary(i => i.Name, TensorData.ToFloats)), share);
    }
}
