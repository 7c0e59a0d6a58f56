using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Numerics;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Training;

/// <summary>One stage of a training: the same weights are trained in all its epochs.</summary>
internal sealed class TuneStage : IDisposable
{
    private readonly FineTuneRun run;
    private readonly TrainingSetUp setUp;
    private readonly TrainingSession session;
    private readonly LearningRateSchedule schedule;
    private readonly BatchMixer? mixer;
    private readonly SoftTargets targets;
    private readonly int[] train;
    private readonly float[] peaks;
    private readonly float[] rates;
    private readonly int batch;

    /// <param name="run">What is trained, and how.</param>
    /// <param name="model">The forward graph with the weights to start from.</param>
    /// <param name="state">Where the training is.</param>
    /// <param name="train">The training rows.</param>
    /// <param name="targets">Their targets.</param>
    /// <param name="data">Their rows at the freeze boundary.</param>
    public TuneStage(
        FineTuneRun run,
        OnnxModel model,
        TuneState state,
        int[] train,
        SoftTargets targets,
        BoundaryRows data
    )
    {
        (this.run, this.train, this.targets) = (run, train, targets);
        setUp = new TrainingSetUp(run.Options, run.Strategy, run.Plan);
        IReadOnlyList<int> stages = setUp.Stages();
        (FirstBlock, LastEpoch) = (stages[state.Stage], Share(state.Stage + 1));
        Steps = setUp.Steps(model, FirstBlock);
        peaks = setUp.Rates(Steps);
        rates = new float[peaks.Length];
        batch = Math.Min(run.Options.BatchSize, train.Length);
        schedule = new LearningRateSchedule(
            run.Options.Schedule,
            (long)StepsPerEpoch * (LastEpoch - Share(state.Stage)),
            run.Options.WarmUp
        );
        if (!data.IsCached && run.Varies && data.Augmentation.Mixing is { } mixing)
            mixer = new BatchMixer(mixing, data.Preprocessing);
        session = new TrainingSession(
            model,
            Steps,
            new TrainingSessionOptions
            {
                Threads = setUp.Threads,
                MicroBatch = run.Options.MicroBatch,
                Seed = unchecked(run.Seed + state.Stage),
            }
        );
        if (state.Session.Length == 0)
            return;
        using MemoryStream saved = new(state.Session);
        session.LoadState(saved);

        int Share(int parts) => (int)((long)setUp.Epochs * parts / stages.Count);
    }

    /// <summary>Lowest block that is trained.</summary>
    public int FirstBlock { get; }

    /// <summary>The epoch with which the stage ends.</summary>
    public int LastEpoch { get; }

    /// <summary>What its steps do.</summary>
    public TrainingOptions Steps { get; }

    /// <summary>Steps of an epoch.</summary>
    public int StepsPerEpoch => (train.Length + batch - 1) / batch;

    /// <summary>Steps done in the stage.</summary>
    public long StepsDone => session.Steps;

    /// <summary>The session, to read its weights and state from.</summary>
    public TrainingSession Session => session;

    /// <summary>The learning rate of every group at the last step, by the group's name.</summary>
    public IReadOnlyDictionary<string, double> Rates =>
        Steps.Groups.Zip(rates).ToDictionary(g => g.First.Name, g => (double)g.Second);

    /// <summary>All that the next step depends on.</summary>
    public byte[] Save()
    {
        using MemoryStream stream = new();
        session.SaveState(stream);
        return stream.ToArray();
    }

    /// <summary>One pass over the training rows.</summary>
    /// <param name="epoch">Epoch, from 1.</param>
    /// <param name="feed">Reads the batches.</param>
    /// <param name="data">Where rows come from.</param>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellation">Honoured between two steps.</param>
    /// <returns>Mean loss; and where a number was not finite, what and where.</returns>
    public (double Loss, string? Broken) Run(
        int epoch,
        BatchFeed feed,
        BoundaryRows data,
        TuneProgress progress,
        CancellationToken cancellation
    )
    {
        int[] order = [.. train];
        new Rng(unchecked(run.Seed * 1_000_003 + epoch)).Shuffle<int>(order);
        double sum = 0;
        int step = 0;
        foreach (
            (int[] rows, float[] values) in feed.Batches(
                order,
                batch,
                run.Varies ? data.DrawOf(epoch, run.Options.Draws) : 0,
                cancellation
            )
        )
        {
            cancellation.ThrowIfCancellationRequested();
            double factor = schedule.Factor(session.Steps);
            for (int g = 0; g < rates.Length; g++)
                rates[g] = (float)(peaks[g] * factor);
            float[] wanted = targets.Of(rows);
            Span<float> inputs = values.AsSpan(0, rows.Length * data.Length);
            mixer?.Apply(new AugmentationDraw(run.Seed, step, epoch), inputs, wanted, rows.Length);
            StepResult result = session.Step(inputs, wanted, targets.Weights(rows), rates);
            step++;
            if (!float.IsFinite(result.Loss) || !float.IsFinite(result.GradientNorm))
                return (
                    double.NaN,
                    string.Create(
                        System.Globalization.CultureInfo.InvariantCulture,
                        $"the loss was {result.Loss} and the norm of the gradients {result.GradientNorm} at step "
                            + $"{step} of epoch {epoch}, at a learning rate of {setUp.TopRate * factor:g3} (--lr "
                            + $"{setUp.TopRate / 10:g2} may help)"
                    )
                );
            sum += result.Loss * rows.Length;
            progress.Step(epoch, step, StepsPerEpoch, result.Loss, rows.Length);
        }

        return (sum / train.Length, null);
    }

    /// <inheritdoc/>
    public void Dispose() => session.Dispose();
}
