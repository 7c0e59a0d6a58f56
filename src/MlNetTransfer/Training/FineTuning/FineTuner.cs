using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Training;

/// <summary>
/// Trains the upper blocks of a network together with its head, from a head that was fitted on the frozen features
/// (LP-FT; Kumar et al., 2022).
/// </summary>
/// <remarks>
/// Every epoch is judged by the log-loss of the validation rows at the best temperature; the weights of the best epoch
/// are kept, the start included. The order of the rows, the variants and the dropout of an epoch depend on the seed and
/// the epoch's number alone, so that a training that goes on from a checkpoint gives the same bytes as one that was
/// never interrupted.
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

    /// <summary>Trains.</summary>
    /// <param name="rows">Rows to fit on, and rows to validate on.</param>
    /// <param name="head">The head to start from; as wide as the features.</param>
    /// <param name="checkpoint">Where the state is kept after every epoch, and found after an interruption.</param>
    /// <param name="resume">Whether to go on from the checkpoint.</param>
    /// <param name="metrics">Told about every epoch.</param>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellation">Honoured between two steps.</param>
    public TunedNetwork Fit(
        TrainTestRows rows,
        LinearHead head,
        TuneCheckpoint checkpoint,
        bool resume,
        MetricsFile metrics,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        int[] train = [.. rows.Train];
        using var feed = new BatchFeed(images, data, run.Workers);
        TuneState? saved = resume ? checkpoint.Load() : null;
        metrics.Rewind(run.Fold, run.IsRefit, saved?.Epoch ?? -1);
        OnnxModel untrained = plan.Forward(head.Weights.Span, head.Bias.Span, options.Dropout);
        if (saved is not { IsDone: true })
            Warm(feed, train, rows.Test, progress, cancellation);
        var judge = new NetworkJudge(run, untrained, images, data, rows.Test, cancellation);
        TuneState state = saved ?? Begin(head, judge, metrics);
        var targets = new SoftTargets(
            images.Labels,
            images.ClassNames.Count,
            train,
            run.ClassWeights,
            options.LabelSmoothing
        );
        var told = new TuneProgress(progress, run, setUp.Epochs, clock);
        long started = clock.GetTimestamp();
        while (!state.IsDone)
        {
            using var stage = new TuneStage(
                run,
                untrained.WithInitializers(state.Start.Values),
                state,
                train,
                targets,
                data
            );
            for (int number = state.Stage; state.Stage == number && !state.IsDone; checkpoint.Save(state))
            {
                state = Epoch(state, stage, judge, feed, metrics, told, cancellation);
                if (!state.IsDone)
                    state = Ended(state, clock.GetElapsedTime(started));
                if (!state.IsDone && state.Epoch == stage.LastEpoch)
                    state = state with
                    {
                        Stage = number + 1,
                        StageSteps = 0,
                        Start = state.Start.With(stage.Session.Parameters()),
                        Session = [],
                    };
            }
        }

        return Finish(state, head, judge);
    }

    private void Warm(
        BatchFeed feed,
        int[] train,
        IReadOnlyList<int> validation,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        if (!data.IsCached)
            return;
        IEnumerable<int> draws = run.Varies ? Enumerable.Range(1, Math.Min(options.Draws, setUp.Epochs)) : [0];
        feed.Warm(
            [.. draws.SelectMany(draw => train.Select(row => (row, draw))), .. validation.Select(row => (row, 0))],
            progress,
            cancellation
        );
    }

    private TuneState Begin(LinearHead head, NetworkJudge judge, MetricsFile metrics)
    {
        long started = clock.GetTimestamp();
        var start = new NetworkWeights(
            new Dictionary<string, float[]>
            {
                [plan.HeadWeight] = head.Weights.ToArray(),
                [plan.HeadBias] = head.Bias.ToArray(),
            }
        );
        (double? loss, double? accuracy) = judge.Of(start);
        metrics.Add(
            new EpochResult
            {
                Fold = run.Fold,
                Refit = run.IsRefit,
                Stage = "head",
                Epoch = 0,
                Step = 0,
                TrainLoss = null,
                ValidationLoss = loss,
                ValidationAccuracy = accuracy,
                LearningRates = new Dictionary<string, double>(),
                Seconds = clock.GetElapsedTime(started).TotalSeconds,
            }
        );
        var state = new TuneState { Start = start, Best = start };
        return run.Strategy == TrainingStrategy.Scratch
            ? state
            : state with
            {
                BestEpoch = 0,
                BestLoss = loss ?? double.PositiveInfinity,
            };
    }

    /// <summary>One epoch and its judgement; where a number was not finite, the end.</summary>
    private TuneState Epoch(
        TuneState state,
        TuneStage stage,
        NetworkJudge judge,
        BatchFeed feed,
        MetricsFile metrics,
        TuneProgress progress,
        CancellationToken cancellation
    )
    {
        long begun = clock.GetTimestamp(),
            before = stage.StepsDone;
        int epoch = state.Epoch + 1;
        (double trainLoss, string? broken) = stage.Run(epoch, feed, data, progress, cancellation);
        if (broken is not null)
            return state.BestEpoch >= 0
                ? state with
                {
                    Ended = broken,
                    IsDone = true,
                }
                : throw new TransferException($"Training failed before any epoch was over: {broken}.");

        NetworkWeights weights = state.Start.With(
            options.AverageDecay is null ? stage.Session.Parameters() : stage.Session.Averages()
        );
        (double? loss, double? accuracy) = judge.Of(weights);
        progress.Judged(loss, accuracy);
        state = state with
        {
            Epoch = epoch,
            Steps = state.Steps + stage.StepsDone - before,
            StageSteps = stage.StepsDone,
            Last = weights,
            Session = stage.Save(),
        };
        metrics.Add(
            new EpochResult
            {
                Fold = run.Fold,
                Refit = run.IsRefit,
                Stage = $"blocks {stage.FirstBlock + 1} to {plan.Blocks.Count}",
                Epoch = epoch,
                Step = state.Steps,
                TrainLoss = trainLoss,
                ValidationLoss = loss,
                ValidationAccuracy = accuracy,
                LearningRates = stage.Rates,
                Seconds = clock.GetElapsedTime(begun).TotalSeconds,
            }
        );
        return state.Judged(loss);
    }

    /// <summary>Whether there is another epoch.</summary>
    private TuneState Ended(TuneState state, TimeSpan elapsed)
    {
        if (state.Epoch == setUp.Epochs)
            return state with { IsDone = true };
        if (state.Waited >= setUp.Patience)
            return state with
            {
                IsDone = true,
                Ended = $"the validation loss had not fallen for {state.Waited} epochs",
            };
        return options.TimeBudget is { } budget && elapsed >= budget
            ? state with
            {
                IsDone = true,
                Ended = $"the time budget of {budget} was used up",
            }
            : state;
    }

    private TunedNetwork Finish(TuneState state, LinearHead start, NetworkJudge judge)
    {
        if (state.BestEpoch < 0)
            throw new TransferException("Training gave no epoch whose validation loss is a number. Take a lower --lr.");
        (NetworkWeights kept, float share) = judge.Keep(state);
        Dictionary<string, float[]> backbone = new(kept.Values);
        backbone.Remove(plan.HeadWeight, out float[]? weights);
        backbone.Remove(plan.HeadBias, out float[]? bias);
        TemperatureCalibration calibration = judge.Calibrate(kept);
        var head = (LinearHead)calibration.Apply(new LinearHead(start.ClassNames, start.Width, weights!, bias!));
        return new TunedNetwork(
            new NetworkWeights(backbone),
            head,
            calibration.Temperature,
            share < 1 ? state.Epoch : state.BestEpoch,
            share,
            state.Epoch,
            judge.Rows,
            state.Ended
        );
    }
}
