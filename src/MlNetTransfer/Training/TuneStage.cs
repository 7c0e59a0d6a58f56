using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Training;

/// <summary>One stage of a training: the same weights are trained in all its epochs.</summary>
internal sealed class TuneStage : IDisposable
{
    private readonly FineTuneRun run;
    private readonly TrainingSetUp setUp;
    private readonly ITrainingSession session;
    private readonly LearningRateSchedule schedule;
    private readonly BatchMixer? mixer;
    private readonly SoftTargets targets;
    private readonly int[] train;
    private readonly float[] peaks;
    private readonly float[] rates;
    private readonly int batch;
    private readonly RateSweep? sweep;

    /// <param name="run">What is trained, and how.</param>
    /// <param name="model">The forward graph with the weights to start from.</param>
    /// <param name="state">Where the training is.</param>
    /// <param name="train">The training rows.</param>
    /// <param name="targets">Their targets.</param>
    /// <param name="data">Their rows at the freeze boundary.</param>
    /// <param name="sweep">A range test, whose rates are taken instead of the schedule's; null for none.</param>
    public TuneStage(
        FineTuneRun run,
        OnnxModel model,
        TuneState state,
        int[] train,
        SoftTargets targets,
        BoundaryRows data,
        RateSweep? sweep = null
    )
    {
        (this.run, this.train, this.targets, this.sweep) = (run, train, targets, sweep);
        setUp = new TrainingSetUp(run.Options, run.Start, run.Plan);
        IReadOnlyList<int> stages = setUp.Stages();
        (FirstBlock, LastEpoch) = (stages[state.Stage], Share(state.Stage + 1));
        Steps = setUp.Steps(model, FirstBlock);
        peaks = setUp.Rates(model, FirstBlock);
        rates = new float[peaks.Length];
        batch = Math.Min(run.Options.BatchSize, train.Length);
        schedule = new LearningRateSchedule(
            run.Options.Schedule,
            (long)StepsPerEpoch * (LastEpoch - Share(state.Stage)),
            run.Options.WarmUp
        );
        if (!data.IsCached && run.Varies && data.Augmentation.Mixing is { } mixing)
            mixer = new BatchMixer(mixing, data.Encoder.OfImages("The network"));
        session = run.Engine.CreateSession(
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

    /// <summary>The weights that are trained, as they are now; not their average.</summary>
    public IReadOnlyDictionary<string, float[]> Parameters() => session.Parameters();

    /// <summary>The weights to judge and keep: their average where one is taken.</summary>
    public NetworkWeights Weights() => new(Steps.AverageDecay is null ? session.Parameters() : session.Averages());

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
            double factor = sweep is null ? schedule.Factor(session.Steps) : sweep.Rate(session.Steps) / setUp.TopRate;
            for (int g = 0; g < rates.Length; g++)
                rates[g] = (float)(peaks[g] * factor);
            float[] wanted = targets.Of(rows);
            Span<float> inputs = values.AsSpan(0, rows.Length * data.Length);
            mixer?.Apply(new AugmentationDraw(run.Seed, step, epoch), inputs, wanted, rows.Length);
            StepResult result = session.Step(inputs, wanted, targets.Weights(rows), rates);
            step++;
            if (sweep is not null)
            {
                bool measured = sweep.IsMeasured;
                sweep.Add(result.Loss);
                progress.Step(epoch, step, StepsPerEpoch, result.Loss, rows.Length);
                if (sweep.IsDone || sweep.IsMeasured != measured)
                    return (result.Loss, null);
                continue;
            }

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

    /// <summary>Whether the first epoch ruined the network.</summary>
    public bool IsRuined { get; init; }

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

/// <summary>
/// A <see cref="TuneState"/> on disk, as a safetensors file that is replaced whole after every epoch.
/// </summary>
/// <param name="path">The file; null to keep nothing.</param>
/// <param name="key">Names all that the training depends on: another run's checkpoint is never taken.</param>
internal sealed class TuneCheckpoint(string? path, string key)
{
    private const string Start = "start/",
        Best = "best/",
        Last = "last/",
        Session = "session";

    /// <summary>Replaces the file.</summary>
    public void Save(TuneState state)
    {
        if (path is null)
            return;
        Dictionary<string, SafeTensor> tensors = [];
        foreach ((string name, float[] values) in state.Start.Values)
            tensors[Start + name] = SafeTensor.Of(values, values.Length);
        foreach ((string name, float[] values) in state.Best.Values)
            tensors[Best + name] = SafeTensor.Of(values, values.Length);
        foreach ((string name, float[] values) in state.Last?.Values ?? new Dictionary<string, float[]>())
            tensors[Last + name] = SafeTensor.Of(values, values.Length);
        if (state.Session.Length > 0)
            tensors[Session] = new SafeTensor(SafeTensorType.U8, [state.Session.Length], state.Session);
        var text = JsonSerializer.Serialize(
            new Counters(
                state.Stage,
                state.Epoch,
                state.StageSteps,
                state.Steps,
                state.Waited,
                state.LowestLoss.ToString("r", CultureInfo.InvariantCulture),
                state.BestEpoch,
                state.BestLoss.ToString("r", CultureInfo.InvariantCulture),
                state.Ended,
                state.IsRuined,
                state.IsDone
            )
        );
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        new SafetensorsFile(
            tensors,
            new Dictionary<string, string>
            {
                ["key"] = key,
                ["state"] = text,
                ["sha256"] = Digest(tensors, text),
            }
        ).Save(path);
    }

    /// <summary>
    /// Of all that a training goes on from: a flipped bit would give another model, and nobody would know.
    /// </summary>
    private static string Digest(IReadOnlyDictionary<string, SafeTensor> tensors, string text)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(text));
        foreach ((string name, SafeTensor tensor) in tensors.OrderBy(t => t.Key, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"\n{name} {string.Join(' ', tensor.Shape)}\n"));
            hash.AppendData(tensor.Data.Span);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>What was saved; null where there is nothing.</summary>
    /// <exception cref="TransferException">The file belongs to a run with other images or options, or is
    /// damaged.</exception>
    public TuneState? Load()
    {
        if (path is null || !File.Exists(path))
            return null;
        try
        {
            SafetensorsFile file = SafetensorsFile.Load(path);
            if (file.Metadata.GetValueOrDefault("key") != key)
                throw new TransferException(
                    $"'{path}' is the checkpoint of a run with other images or options, so it cannot be resumed by "
                        + $"this one. Give the options of that run, or train without --resume."
                );
            if (file.Metadata.GetValueOrDefault("sha256") != Digest(file.Tensors, file.Metadata["state"]))
                throw new FormatException("its content is not what this version has written to it.");
            Counters counters = JsonSerializer.Deserialize<Counters>(file.Metadata["state"])!;
            return new TuneState
            {
                Stage = counters.Stage,
                Epoch = counters.Epoch,
                StageSteps = counters.StageSteps,
                Steps = counters.Steps,
                Waited = counters.Waited,
                LowestLoss = double.Parse(counters.LowestLoss, CultureInfo.InvariantCulture),
                BestEpoch = counters.BestEpoch,
                BestLoss = double.Parse(counters.BestLoss, CultureInfo.InvariantCulture),
                Ended = counters.Ended,
                IsRuined = counters.IsRuined,
                IsDone = counters.IsDone,
                Start = Weights(file, Start),
                Best = Weights(file, Best),
                Last = Weights(file, Last) is { Values.Count: > 0 } last ? last : null,
                Session = file.Tensors.TryGetValue(Session, out SafeTensor? session) ? session.Data.ToArray() : [],
            };
        }
        catch (Exception cause)
            when (cause is GraphException or KeyNotFoundException or JsonException or FormatException)
        {
            throw new TransferException(
                $"The checkpoint '{path}' cannot be read: {cause.Message} Delete it, or train without --resume.",
                cause
            );
        }
    }

    /// <summary>Removes the file: the training it belongs to is no longer needed.</summary>
    public void Delete()
    {
        if (path is not null)
            File.Delete(path);
    }

    private static NetworkWeights Weights(SafetensorsFile file, string prefix) =>
        new(
            file.Tensors.Where(t => t.Key.StartsWith(prefix, StringComparison.Ordinal))
                .ToDictionary(t => t.Key[prefix.Length..], t => t.Value.ToFloats())
        );

    private sealed record Counters(
        int Stage,
        int Epoch,
        long StageSteps,
        long Steps,
        int Waited,
        string LowestLoss,
        int BestEpoch,
        string BestLoss,
        string? Ended,
        bool IsRuined,
        bool IsDone
    );
}
