using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Advice;

/// <summary>
/// Whether pretrained features are worth anything: beside the most frequent class, small pixels and the same network
/// with random weights, each with the same head on the same folds.
/// </summary>
/// <remarks>
/// Features of random weights stand for a network trained from scratch on so few images: that costs hours and is seldom
/// better. <c>train --strategy scratch</c> does it.
/// </remarks>
/// <param name="items">The images.</param>
/// <param name="pretrained">Their pretrained features.</param>
/// <param name="seed">Seed of the folds and of the random weights.</param>
internal sealed class Baselines(IReadOnlyList<DataItem> items, FeatureTable pretrained, int seed)
{
    /// <summary>Images that are compared on at most: each is run through the random network.</summary>
    public const int MostImages = 300;

    private const int Side = 16,
        Folds = 5;

    /// <summary>Judges all of them.</summary>
    /// <param name="backbone">The network of the pretrained features.</param>
    /// <param name="tap">Their tap.</param>
    /// <param name="plan">How the random network is run.</param>
    /// <param name="limits">What an image may cost.</param>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    public IReadOnlyList<BaselineTrial> Judge(
        Backbone backbone,
        BackboneTap tap,
        ExecutionPlan plan,
        ImageLimits limits,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        int[] fold = CrossValidation.Folds(pretrained.Labels, Folds, seed, pretrained.ClassNames);
        int[] judged = [.. Enumerable.Range(0, fold.Length).Where(row => fold[row] != CrossValidation.NeverHeldOut)];
        if (judged.Length == 0)
            return [];
        bool[] own = HeldOutDiscriminant.Right(pretrained, fold, cancellation);
        List<BaselineTrial> trials = [Compared("the most frequent class", Majority(judged), own)];
        Add(FormattableString.Invariant($"pixels, {Side} x {Side}"), Pixels(limits, cancellation));
        // A network whose random weights overflow says nothing; images themselves were all accepted before.
        ItemRows random = Random(backbone, tap, plan, limits, progress, cancellation);
        if (random.Accepted.Length == items.Count)
            Add($"{backbone.Card.Id} with random weights", random.Values);
        return trials;

        void Add(string name, float[] values)
        {
            var table = new FeatureTable(pretrained.ClassNames, pretrained.Labels, values, values.Length / items.Count);
            trials.Add(Compared(name, HeldOutDiscriminant.Right(table, fold, cancellation), own));
        }
    }

    private bool[] Majority(int[] judged)
    {
        int[] counts = pretrained.RowsPerClass();
        int most = Array.IndexOf(counts, counts.Max());
        return [.. judged.Select(row => pretrained.Labels[row] == most)];
    }

    private static BaselineTrial Compared(string name, bool[] baseline, bool[] own)
    {
        var gain = PairedDifference.Of(baseline, own);
        Interval interval = gain.Interval();
        return new BaselineTrial(
            name,
            baseline.Average(hit => hit ? 1.0 : 0),
            own.Average(hit => hit ? 1.0 : 0),
            gain.Value,
            [interval.Low, interval.High],
            own.Length
        );
    }

    private float[] Pixels(ImageLimits limits, CancellationToken cancellation)
    {
        var preprocessing = new Preprocessing { Size = Side };
        using var images = new ImagePreprocessor(preprocessing, limits);
        using var reader = new ItemReader(limits);
        var values = new float[items.Count * preprocessing.TensorLength];
        for (int i = 0; i < items.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            images.Process(
                reader.Read(items[i]),
                values.AsSpan(i * preprocessing.TensorLength, preprocessing.TensorLength),
                cancellation
            );
        }

        return values;
    }

    private ItemRows Random(
        Backbone backbone,
        BackboneTap tap,
        ExecutionPlan plan,
        ImageLimits limits,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        OnnxModel drawn = FeatureGraph.Build(RandomWeights.Draw(backbone.LoadModel(), seed), tap.Tensor);
        using var graph = new ItemGraph(drawn.ToBytes(), FeatureGraph.Output, backbone.Card.Encoder, limits, plan);
        return new ItemRunner(graph).Run(items, "Trying random weights", progress, cancellation);
    }
}
