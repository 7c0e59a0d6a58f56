using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Graphs;
using MlNetTransfer.Graphs.Training;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>Trains a network and evaluates it, by one split or by folds: the counterpart of <see cref="TrialRunner"/> where the backbone does not stay frozen.</summary>
/// <param name="options">The run.</param>
/// <param name="backbone">The backbone.</param>
/// <param name="model">Its graph, with the weights to start from.</param>
/// <param name="clock">Measures seconds.</param>
internal sealed class FineTuneTrials(TrainOptions options, Backbone backbone, OnnxModel model, TimeProvider clock)
{
    private readonly FineTuneOptions recipe = options.FineTune;
    private readonly FreezeBoundary freeze = options.FineTune.Freeze ?? (options.Strategy == TrainingStrategy.FineTune ? FineTuneOptions.DefaultFreeze : FreezeBoundary.Nothing);

    /// <summary>Finds what cannot work before an image is read.</summary>
    /// <param name="taps">All taps that may be taken.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="TransferException">An option contradicts another, or the network cannot be trained above the boundary.</exception>
    public void Check(IReadOnlyList<BackboneTap> taps, int classes)
    {
        if (options.Head is HeadKind.Mlp or HeadKind.Neighbours) throw new TransferException($"A {options.Head.ToString().ToLowerInvariant()} head is not linear, so it cannot become a layer of the network. Take --head auto, softmax, ridge, discriminant or prototype, or --strategy head.");
        if (options.Device != ExecutionProvider.Cpu) throw new TransferException($"--device {options.Device.ToString().ToLowerInvariant()} is for --strategy head; training steps run on the CPU. Leave --device out.");
        BackboneTap[] used = options.Strategy == TrainingStrategy.Scratch ? [Deepest(taps)] : [.. taps];
        FineTunePlan plan = FineTunePlan.Of(model, [.. used.Select(t => t.Tensor)], used.Sum(t => t.Width), freeze);
        TrainingOptions steps = new TrainingSetUp(recipe, options.Strategy, plan).Steps(plan.Forward(new float[classes * used.Sum(t => t.Width)], new float[classes], recipe.Dropout), plan.Frozen);
        plan.Check(steps, classes, Math.Min(recipe.MicroBatch ?? recipe.BatchSize, recipe.BatchSize));
    }

    /// <summary>Trains on one part and judges on the other.</summary>
    public Trial Split(FineTuneInput input, TrainTestRows split, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        (FittedHead fit, TunedModel tuned) = Fit(input, split.Train, 0, progress, cancellation);
        float[] found = Predict(tuned, input, split.Test, progress, cancellation);
        int[] labels = [.. split.Test.Select(r => input.Images.Labels[r])];
        return new Trial(fit, split.Train, split.Test, Judge(input, labels, found), Judge(input, labels, fit.WithoutCalibration(found)), []) { Tuned = tuned };
    }

    /// <summary>Trains once per fold and judges each row by the network that had not seen it; a last training on all rows is written.</summary>
    public Trial CrossValidate(FineTuneInput input, int[] fold, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        int folds = fold.Max() + 1, classes = input.Images.ClassNames.Count;
        int[] rows = [.. Enumerable.Range(0, fold.Length)];
        float[] probabilities = new float[rows.Length * classes], uncalibrated = new float[probabilities.Length];
        var accuracies = new double[folds];
        for (int f = 0; f < folds; f++)
        {
            int[] test = Array.FindAll(rows, r => fold[r] == f);
            (FittedHead fit, TunedModel tuned) = Fit(input, Array.FindAll(rows, r => fold[r] != f), f + 1, progress, cancellation);
            float[] found = Predict(tuned, input, test, null, cancellation);
            accuracies[f] = Judge(input, [.. test.Select(r => input.Images.Labels[r])], found).Accuracy;
            Scatter(found, test, probabilities, classes);
            Scatter(fit.WithoutCalibration(found), test, uncalibrated, classes);
        }

        (FittedHead last, TunedModel written) = Fit(input, rows, 0, progress, cancellation);
        return new Trial(last, rows, rows, Judge(input, input.Images.Labels, probabilities), Judge(input, input.Images.Labels, uncalibrated), accuracies) { Tuned = written };
    }

    /// <summary>Calibrated probabilities of some rows.</summary>
    public float[] Predict(TunedModel tuned, FineTuneInput input, IReadOnlyList<int> rows, IProgress<JobProgress>? progress, CancellationToken cancellation) =>
        tuned.Predict([.. rows.Select(r => input.Images.Items[r])], backbone.Card.Preprocessing, options.Limits, options.Workers, progress, cancellation);

    /// <summary>SHA-256 of all that training depends on besides the features and labels of the rows: 64 hexadecimal digits.</summary>
    public string Digest(FineTuneInput input, IReadOnlyList<int> rows)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new
        {
            Strategy = options.Strategy.ToString(),
            Freeze = freeze.ToString(),
            Recipe = recipe with { Freeze = null, CacheBytes = 0, InitialWeights = null },
            Threads = recipe.Threads ?? Math.Min(8, Environment.ProcessorCount),
        })));
        hash.AppendData(SHA256.HashData(model.ToBytes()));
        foreach (int row in rows) hash.AppendData(input.Images.Digest(row));
        hash.AppendData(Convert.FromHexString(TrainingDigest.Of(input.Space.Key(), TrainingDigest.OfRows(input.Table.Select(rows), input.Head))));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Removes what only an interrupted run needs.</summary>
    public void RemoveCheckpoints()
    {
        if (Directory.Exists(CheckpointFolder)) Directory.Delete(CheckpointFolder, recursive: true);
    }

    private string CheckpointFolder => Path.Combine(options.Output, "checkpoints");

    private (FittedHead Fit, TunedModel Tuned) Fit(FineTuneInput input, IReadOnlyList<int> rows, int fold, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        TrainTestRows parts = ValidationRows.Of(input.Images, rows, recipe.ValidationFraction, options.Seed);
        FittedHead start = Start(input, parts.Train, progress, cancellation);
        BackboneTap[] taps = [.. input.Taps.ToArray()[start.Taps]];
        FineTunePlan plan = FineTunePlan.Of(model, [.. taps.Select(t => t.Tensor)], start.Head.Width, freeze);
        var run = new FineTuneRun { Options = recipe, Strategy = options.Strategy, Plan = plan, ClassWeights = options.ClassWeights, Seed = options.Seed, Fold = fold, Workers = options.Workers };
        using var data = new BoundaryRows(plan.Network, input.Space, AugmentationOptions.Of(recipe.Augmentation), options.CacheFeatures ? Path.Combine(options.CacheFolder, "boundary") : null, options.Limits, recipe.CacheBytes, options.Seed);
        var checkpoint = new TuneCheckpoint(Path.Combine(CheckpointFolder, FormattableString.Invariant($"fold-{fold}.safetensors")), Digest(input, rows));
        TunedNetwork network = new FineTuner(run, input.Images, data, clock).Fit(parts, (LinearHead)start.Head, checkpoint, options.Resume, input.Metrics, progress, cancellation);
        var selection = new HeadSelection(Name(start), network.Head, network.Temperature, start.Selection.Trials, parts.Train.Count);
        return (start with { Selection = selection }, new TunedModel(model.WithInitializers(network.Weights.Values), taps, network, plan.Frozen, plan.Blocks.Count));
    }

    private string Name(FittedHead start) => options.Strategy == TrainingStrategy.Scratch ? "linear, trained with the network" : $"{start.Selection.Name}, then trained with the network";

    private FittedHead Start(FineTuneInput input, IReadOnlyList<int> rows, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        if (options.Strategy == TrainingStrategy.Scratch)
        {
            int index = input.Taps.ToList().IndexOf(Deepest(input.Taps)), width = input.Taps[index].Width;
            var zero = new LinearHead(input.Images.ClassNames, width, new float[input.Images.ClassNames.Count * width], new float[input.Images.ClassNames.Count]);
            return new FittedHead(index..(index + 1), input.Taps.Take(index).Sum(t => t.Width), new HeadSelection("linear", zero, 1, [], rows.Count), []);
        }

        FeatureTable train = input.Table.Select(rows);
        FittedHead fit = Recipe(input, input.Head).Fit(train, FitToJobProgress.Of(progress), cancellation);

        // With very many rows the automatic choice may be a perceptron, which is no layer to start from.
        return fit.Head is LinearHead ? fit : Recipe(input, input.Head with { Head = HeadKind.Softmax }).Fit(train, FitToJobProgress.Of(progress), cancellation);
    }

    private HeadRecipe Recipe(FineTuneInput input, HeadRecipeOptions head) => new(head, new TapGroups([.. input.Taps.Select(t => t.Name)], [.. input.Taps.Select(t => t.Width)]), backbone.Card.DefaultTap);

    private BackboneTap Deepest(IReadOnlyList<BackboneTap> taps)
    {
        string tensor = NetworkBlocks.Deepest(model, [.. taps.Select(t => t.Tensor)]);
        return taps.First(t => t.Tensor == tensor);
    }

    private static ClassificationReport Judge(FineTuneInput input, int[] labels, float[] probabilities) => ClassificationReport.Of(input.Images.ClassNames, labels, probabilities);

    private static void Scatter(float[] found, int[] rows, float[] all, int classes)
    {
        for (int i = 0; i < rows.Length; i++) found.AsSpan(i * classes, classes).CopyTo(all.AsSpan(rows[i] * classes));
    }
}
