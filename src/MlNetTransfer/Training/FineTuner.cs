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
/// are kept, of the last one where none was better than the start. The order of the rows, the variants and the dropout
/// of an epoch depend on the seed and the epoch's number alone, so that a training that goes on from a checkpoint gives
/// the same bytes as one that was never interrupted.
/// </remarks>
/// <param name="run">What is trained, and how.</param>
/// <param name="images">The images.</param>
/// <param name="data">Their rows at the freeze boundary.</param>
/// <param name="clock">Measures seconds.</param>
internal sealed class FineTuner(FineTuneRun run, TrainingImages images, BoundaryRows data, TimeProvider clock)
{
    private readonly FineTuneOptions options = run.Options;
    private readonly FineTunePlan plan = run.Plan;
    private readonly TrainingSetUp setUp = new(run.Options, run.Start, run.Plan);

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
        Ledger<EpochResult> metrics,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        int[] train = [.. rows.Train];
        using var feed = new BatchFeed(images, data, run.Workers);
        TuneState? saved = resume ? checkpoint.Load() : null;
        int reached = saved?.Epoch ?? -1;
        metrics.Remove(line => line.Fold == run.Fold && line.Refit == run.IsRefit && line.Epoch > reached);
        OnnxModel untrained = plan.Forward(head.Weights.Span, head.Bias.Span, options.Dropout);
        if (saved is not { IsDone: true })
            feed.Warm(run, setUp.Epochs, train, rows.Test, progress, cancellation);
        var judge = new NetworkJudge(run, untrained, images, data, rows.Test, cancellation);
        TuneState state = saved ?? Begin(head, judge, metrics);
        var targets = SoftTargets.Of(run, images, train);
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
            int number = state.Stage;
            while (state.Stage == number && !state.IsDone)
            {
                state = Epoch(state, stage, judge, feed, metrics, told, cancellation);
                if (!state.IsDone)
                    state = Ended(state, clock.GetElapsedTime(started));
                if (!state.IsDone && state.Epoch == stage.LastEpoch)
                    state = state with
                    {
                        Stage = number + 1,
                        StageSteps = 0,
                        Start = state.Start.With(stage.Parameters()),
                        Session = [],
                    };
                checkpoint.Save(state);
            }
        }

        return Finish(state, head, judge);
    }

    /// <summary>A range test of the learning rate, on the rows that a training would be fitted on.</summary>
    /// <param name="train">The rows.</param>
    /// <param name="head">The head to start from; as wide as the features.</param>
    /// <param name="sweep">The test; it has the losses afterwards.</param>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellation">Honoured between two steps.</param>
    public void Sweep(
        IReadOnlyList<int> train,
        LinearHead head,
        RateSweep sweep,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        int[] rows = [.. train];
        using var feed = new BatchFeed(images, data, run.Workers);
        feed.Warm(run, setUp.Epochs, rows, [], progress, cancellation);
        OnnxModel untrained = plan.Forward(head.Weights.Span, head.Bias.Span, options.Dropout);
        var none = new NetworkWeights(new Dictionary<string, float[]>());
        var targets = SoftTargets.Of(run, images, rows);
        // The same batches twice: at rate 0, and with rising rates.
        foreach (string name in (string[])["Measuring the start", "Testing learning rates"])
        {
            using var stage = new TuneStage(
                run,
                untrained,
                new TuneState { Start = none, Best = none },
                rows,
                targets,
                data,
                sweep
            );
            int epochs = (sweep.Steps + stage.StepsPerEpoch - 1) / stage.StepsPerEpoch;
            var told = new TuneProgress(progress, run, epochs, clock, name);
            bool measured = sweep.IsMeasured;
            for (int epoch = 1; !sweep.IsDone && sweep.IsMeasured == measured; epoch++)
                stage.Run(epoch, feed, data, told, cancellation);
        }
    }

    private TuneState Begin(LinearHead head, NetworkJudge judge, Ledger<EpochResult> metrics)
    {
        long started = clock.GetTimestamp();
        NetworkWeights start = Head(head);
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
        return run.Start.IsRandom ? state : state with { BestEpoch = 0, BestLoss = loss ?? double.PositiveInfinity };
    }

    private NetworkWeights Head(LinearHead head) =>
        new(
            new Dictionary<string, float[]>
            {
                [plan.HeadWeight] = head.Weights.ToArray(),
                [plan.HeadBias] = head.Bias.ToArray(),
            }
        );

    /// <summary>One epoch and its judgement; where a number was not finite, the end.</summary>
    private TuneState Epoch(
        TuneState state,
        TuneStage stage,
        NetworkJudge judge,
        BatchFeed feed,
        Ledger<EpochResult> metrics,
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
                    IsRuined = epoch == 1 && run.EndsInRuin,
                    IsDone = true,
                }
                : throw new TransferException($"Training failed before any epoch was over: {broken}.");

        NetworkWeights weights = state.Start.With(stage.Weights().Values);
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
        bool ruined =
            epoch == 1
            && run.EndsInRuin
            && IsRuin(state.BestLoss, judge.Of(new NetworkWeights(stage.Parameters())).Loss, judge.Chance);
        state = state.Judged(loss);
        return ruined ? state with { IsRuined = true, IsDone = true } : state;
    }

    /// <summary>
    /// Whether an epoch lost half of what the start knew beyond the frequencies of the classes, where that was a
    /// quarter of what there is to know or more.
    /// </summary>
    private static bool IsRuin(double start, double? loss, double chance) =>
        start < 0.75 * chance && chance - loss < (chance - start) / 2;

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
        return run.TimeLeft is { } left && elapsed >= left
            ? state with
            {
                IsDone = true,
                Ended = $"the time budget of {options.TimeBudget} was used up",
            }
            : state;
    }

    private TunedNetwork Finish(TuneState state, LinearHead start, NetworkJudge judge)
    {
        if (state.BestEpoch < 0)
            throw new TransferException("Training gave no epoch whose validation loss is a number. Take a lower --lr.");
        if (state.IsRuined)
            return TunedNetwork.Untrained(start) with
            {
                LearningRate = setUp.TopRate,
                IsRuined = true,
                Epochs = state.Epoch,
            };
        (NetworkWeights kept, float share, int epoch) = judge.Keep(state);
        Dictionary<string, float[]> backbone = new(kept.Values);
        backbone.Remove(plan.HeadWeight, out float[]? weights);
        backbone.Remove(plan.HeadBias, out float[]? bias);
        OutOfFoldPredictions? answers = judge.Answers(kept);
        TemperatureCalibration calibration = judge.Calibrate(answers);
        var head = (LinearHead)calibration.Apply(new LinearHead(start.ClassNames, start.Width, weights!, bias!));
        return new TunedNetwork(
            new NetworkWeights(backbone),
            head,
            calibration.Temperature,
            epoch,
            share,
            state.Epoch,
            judge.Rows,
            state.Ended
        )
        {
            LearningRate = setUp.TopRate,
            Answers = answers,
            Answer = run.Chosen?.Answer ?? NetworkAnswer.Alone,
        };
    }
}
