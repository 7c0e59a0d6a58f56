using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>
/// Trains a network and evaluates it, by one split or by folds: what <see cref="TrialRunner"/> evaluates where the
/// backbone does not stay frozen.
/// </summary>
/// <param name="options">The run.</param>
/// <param name="backbone">The backbone.</param>
/// <param name="model">Its graph, with the weights to start from.</param>
/// <param name="clock">Measures seconds.</param>
internal sealed class FineTuneTrials(TrainOptions options, Backbone backbone, OnnxModel model, TimeProvider clock)
{
    private readonly FineTuneOptions recipe = options.FineTune;
    private readonly FreezeBoundary freeze =
        options.FineTune.Freeze
        ?? (options.Strategy == TrainingStrategy.FineTune ? FineTuneOptions.DefaultFreeze : FreezeBoundary.Nothing);

    /// <summary>Finds what cannot work before an image is read.</summary>
    /// <param name="taps">All taps that may be taken.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="TransferException">An option contradicts another, or the network cannot be trained above the
    /// boundary.</exception>
    public void Check(IReadOnlyList<BackboneTap> taps, int classes)
    {
        if (options.Head is HeadKind.Mlp or HeadKind.Neighbours or HeadKind.Kernel)
            throw new TransferException(
                $"A {options.Head.ToString().ToLowerInvariant()} head is not linear, so it cannot become a layer of "
                    + $"the network. Take --head auto, softmax, ridge, discriminant or prototype, or --strategy head."
            );
        if (options.Device != ExecutionProvider.Cpu)
            throw new TransferException(
                $"--device {options.Device.ToString().ToLowerInvariant()} is for --strategy head; training steps "
                    + $"run on the CPU. Leave --device out."
            );
        BackboneTap[] used = options.Strategy == TrainingStrategy.Scratch ? [Deepest(taps)] : [.. taps];
        FineTunePlan plan = FineTunePlan.Of(model, [.. used.Select(t => t.Tensor)], used.Sum(t => t.Width), freeze);
        TrainingOptions steps = new TrainingSetUp(recipe, options.Strategy, plan).Steps(
            plan.Forward(new float[classes * used.Sum(t => t.Width)], new float[classes], recipe.Dropout),
            plan.Frozen
        );
        plan.Check(steps, classes, Math.Min(recipe.MicroBatch ?? recipe.BatchSize, recipe.BatchSize));
    }

    /// <summary>What is to be evaluated, by one split or by folds.</summary>
    public TrialRunner Runner(
        FineTuneInput input,
        bool folds,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    ) =>
        new(
            input.Images.ClassNames,
            input.Images.Labels,
            (rows, fold) => Fit(input, rows, fold, progress, cancellation),
            (_, tuned, rows) => Predict(tuned!, input, rows, folds ? null : progress, cancellation)
        );

    /// <summary>Calibrated probabilities of some rows.</summary>
    public float[] Predict(
        TunedModel tuned,
        FineTuneInput input,
        IReadOnlyList<int> rows,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    ) =>
        tuned.Predict(
            [.. rows.Select(r => input.Images.Items[r])],
            backbone.Card.Preprocessing,
            options.Limits,
            options.Workers,
            progress,
            cancellation
        );

    /// <summary>
    /// SHA-256 of all that training depends on besides the features and labels of the rows: 64 hexadecimal digits.
    /// </summary>
    public string Digest(FineTuneInput input, IReadOnlyList<int> rows)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(
            Encoding.UTF8.GetBytes(
                JsonSerializer.Serialize(
                    new
                    {
                        Strategy = options.Strategy.ToString(),
                        Freeze = freeze.ToString(),
                        Recipe = recipe with
                        {
                            Freeze = null,
                            CacheBytes = 0,
                            InitialWeights = null,
                        },
                        Threads = recipe.Threads ?? Math.Min(8, Environment.ProcessorCount),
                    }
                )
            )
        );
        hash.AppendData(SHA256.HashData(model.ToBytes()));
        foreach (int row in rows)
            hash.AppendData(input.Images.Digest(row));
        hash.AppendData(
            Convert.FromHexString(
                TrainingDigest.Of(input.Space.Key(), TrainingDigest.OfRows(input.Table.Select(rows), input.Head))
            )
        );
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Removes what only an interrupted run needs.</summary>
    public void RemoveCheckpoints()
    {
        if (Directory.Exists(CheckpointFolder))
            Directory.Delete(CheckpointFolder, recursive: true);
    }

    private string CheckpointFolder => Path.Combine(options.Output, "checkpoints");

    private (FittedHead Fit, TunedModel Tuned) Fit(
        FineTuneInput input,
        IReadOnlyList<int> rows,
        int fold,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        string digest = Digest(input, rows);
        TrainTestRows parts = ValidationRows.Of(input.Images, rows, recipe.ValidationFraction, options.Seed);
        (FittedHead start, TunedModel tuned) = Train(input, parts, fold, digest, null, progress, cancellation);
        if (recipe.Refit && recipe.TimeBudget is null && parts.Test.Count > 0)
        {
            // All that could be chosen is chosen: the images that chose are as good for training as the others.
            (FittedHead whole, TunedModel again) = Train(
                input,
                new TrainTestRows([.. rows], []),
                fold,
                digest,
                tuned.Network.Choice,
                progress,
                cancellation
            );
            if (again.Network.Ended is null)
                (start, tuned) = (
                    whole,
                    again with
                    {
                        Network = again.Network with
                        {
                            Epochs = tuned.Network.Epochs,
                            ValidationRows = parts.Test.Count,
                            Ended = tuned.Network.Ended,
                            RefitRows = rows.Count,
                        },
                    }
                );
        }

        return (
            start with
            {
                Selection = new HeadSelection(
                    Name(start),
                    tuned.Network.Head,
                    tuned.Network.Temperature,
                    start.Selection.Trials,
                    start.Selection.Rows
                ),
            },
            tuned
        );
    }

    private (FittedHead Start, TunedModel Tuned) Train(
        FineTuneInput input,
        TrainTestRows rows,
        int fold,
        string digest,
        TuneChoice? chosen,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        FittedHead start = Start(input, rows.Train, progress, cancellation);
        BackboneTap[] taps = [.. input.Taps.ToArray()[start.Taps]];
        FineTunePlan plan = FineTunePlan.Of(model, [.. taps.Select(t => t.Tensor)], start.Head.Width, freeze);
        FineTuneOptions schedule = chosen is { Epochs: > 0 } ? recipe with { Epochs = chosen.Epochs } : recipe;
        var run = new FineTuneRun
        {
            Options = schedule,
            Strategy = options.Strategy,
            Plan = plan,
            ClassWeights = options.ClassWeights,
            Seed = options.Seed,
            Fold = fold,
            Chosen = chosen,
            Workers = options.Workers,
        };
        if (chosen is { Epochs: 0 })
            return (
                start,
                Tuned(
                    new TunedNetwork(
                        new NetworkWeights(new Dictionary<string, float[]>()),
                        (LinearHead)start.Head,
                        start.Selection.Temperature,
                        0,
                        1,
                        0,
                        0,
                        null
                    )
                )
            );
        using var data = new BoundaryRows(
            plan.Network,
            input.Space,
            AugmentationOptions.Of(recipe.Augmentation),
            options.CacheFeatures ? Path.Combine(options.CacheFolder, "boundary") : null,
            options.Limits,
            recipe.CacheBytes,
            options.Seed
        );
        var checkpoint = new TuneCheckpoint(
            Path.Combine(
                CheckpointFolder,
                FormattableString.Invariant($"fold-{fold}{(chosen is null ? "" : "-all")}.safetensors")
            ),
            digest
        );
        return (
            start,
            Tuned(
                new FineTuner(run, input.Images, data, clock).Fit(
                    rows,
                    (LinearHead)start.Head,
                    checkpoint,
                    options.Resume,
                    input.Metrics,
                    progress,
                    cancellation
                )
            )
        );

        TunedModel Tuned(TunedNetwork network) =>
            new(model.WithInitializers(network.Weights.Values), taps, network, plan.Frozen, plan.Blocks.Count);
    }

    private string Name(FittedHead start) =>
        options.Strategy == TrainingStrategy.Scratch
            ? "linear, trained with the network"
            : $"{start.Selection.Name}, then trained with the network";

    private FittedHead Start(
        FineTuneInput input,
        IReadOnlyList<int> rows,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        if (options.Strategy == TrainingStrategy.Scratch)
        {
            int index = input.Taps.ToList().IndexOf(Deepest(input.Taps)),
                width = input.Taps[index].Width;
            var zero = new LinearHead(
                input.Images.ClassNames,
                width,
                new float[input.Images.ClassNames.Count * width],
                new float[input.Images.ClassNames.Count]
            );
            return new FittedHead(
                index..(index + 1),
                input.Taps.Take(index).Sum(t => t.Width),
                new HeadSelection("linear", zero, 1, [], rows.Count),
                []
            );
        }

        FeatureTable train = input.Table.Select(rows);
        return Recipe(input, input.Head with { LinearOnly = true })
            .Fit(train, FitToJobProgress.Of(progress), cancellation);
    }

    private HeadRecipe Recipe(FineTuneInput input, HeadRecipeOptions head) =>
        new(
            head,
            new TapGroups([.. input.Taps.Select(t => t.Name)], [.. input.Taps.Select(t => t.Width)]),
            backbone.Card.DefaultTap
        );

    private BackboneTap Deepest(IReadOnlyList<BackboneTap> taps)
    {
        string tensor = NetworkBlocks.Deepest(model, [.. taps.Select(t => t.Tensor)]);
        return taps.First(t => t.Tensor == tensor);
    }
}

/// <summary>What trainings of a network are fed with.</summary>
/// <param name="Images">The images.</param>
/// <param name="Table">Their features by the backbone as it was, at all taps side by side.</param>
/// <param name="Taps">The taps.</param>
/// <param name="Space">What the features depend on besides the images.</param>
/// <param name="Head">How the head to start from is fitted.</param>
/// <param name="Metrics">Told about every epoch.</param>
internal sealed record FineTuneInput(
    TrainingImages Images,
    FeatureTable Table,
    IReadOnlyList<BackboneTap> Taps,
    FeatureSpace Space,
    HeadRecipeOptions Head,
    MetricsFile Metrics
);
