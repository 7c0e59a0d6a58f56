using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Models.Quantization;

/// <summary>How far the features of a tap differ between a backbone in float and on bytes.</summary>
/// <param name="Tap">Name of the tap.</param>
/// <param name="Error">Length of the difference over the length of the features in float, in the median of the images;
/// 1 where the latter is 0.</param>
/// <param name="LargestError">The same of the image where it is largest.</param>
public sealed record TapLoss(string Tap, double Error, double LargestError);

/// <summary>Compares the features of two forms of a backbone.</summary>
/// <param name="card">What is common to both.</param>
/// <param name="limits">What an item may cost.</param>
/// <param name="plan">How they are run.</param>
/// <param name="clock">Measures the speed.</param>
internal sealed class FeatureComparison(BackboneCard card, ImageLimits limits, ExecutionPlan plan, TimeProvider clock)
{
    private readonly string[] tensors = [.. card.Taps.Select(tap => tap.Tensor)];

    /// <summary>How far the features of items differ.</summary>
    /// <exception cref="TransferException">No item could be used.</exception>
    public (IReadOnlyList<TapLoss> Taps, IReadOnlyList<RejectedItem> Rejected) Losses(
        OnnxModel single,
        OnnxModel bytes,
        IReadOnlyList<DataItem> items,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        ItemRows expected = Rows(single, "Features in float"),
            found = Rows(bytes, "Features on bytes");
        if (expected.Accepted.Length == 0)
            throw new TransferException(
                $"None of the {items.Count} images to judge by could be used; the first: {expected.Rejected[0].File}: "
                    + $"{expected.Rejected[0].Reason}."
            );
        if (!found.Accepted.SequenceEqual(expected.Accepted))
            throw new TransferException(
                "Images could be read in one run and not in the other. Run again when the images do not change."
            );
        List<TapLoss> losses = [];
        int start = 0;
        foreach (BackboneTap tap in card.Taps)
        {
            double[] errors =
            [
                .. Enumerable
                    .Range(0, expected.Accepted.Length)
                    .Select(row => Error(Part(expected, row, start, tap.Width), Part(found, row, start, tap.Width)))
                    .Order(),
            ];
            losses.Add(
                new TapLoss(tap.Name, (errors[(errors.Length - 1) / 2] + errors[errors.Length / 2]) / 2, errors[^1])
            );
            start += tap.Width;
        }

        return (losses, expected.Rejected);

        ItemRows Rows(OnnxModel model, string stage)
        {
            using ItemGraph graph = Graph(model);
            return new ItemRunner(graph).Run(items, stage, progress, cancellation);
        }
    }

    /// <summary>How much faster the one on bytes gives the features.</summary>
    /// <param name="single">The one in float.</param>
    /// <param name="bytes">The one on bytes.</param>
    /// <param name="tensors">Items, encoded.</param>
    /// <param name="rounds">Rounds, at least 1.</param>
    /// <param name="cancellation">Ends the work between two rounds.</param>
    public SpeedRatio Speed(
        OnnxModel single,
        OnnxModel bytes,
        IReadOnlyList<Array[]> tensors,
        int rounds,
        CancellationToken cancellation
    )
    {
        using ItemGraph first = Graph(single),
            second = Graph(bytes);
        return new SpeedMeter(clock).Run(first, second, tensors, rounds, cancellation);
    }

    private ItemGraph Graph(OnnxModel model) => FeatureGraph.Open(model, tensors, card.Encoder, limits, plan).Graph;

    private static ReadOnlySpan<float> Part(ItemRows rows, int row, int start, int width) =>
        rows.Values.AsSpan((row * rows.Width) + start, width);

    private static double Error(ReadOnlySpan<float> expected, ReadOnlySpan<float> found)
    {
        double difference = 0,
            length = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            difference += Math.Pow((double)found[i] - expected[i], 2);
            length += Math.Pow(expected[i], 2);
        }

        return difference == 0 ? 0
            : length == 0 ? 1
            : Math.Sqrt(difference / length);
    }
}
