using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>A backbone with trained weights, and its head.</summary>
/// <param name="Backbone">The whole backbone.</param>
/// <param name="Taps">The taps that the head's features are taken from.</param>
/// <param name="Network">What training gave.</param>
/// <param name="FrozenBlocks">Blocks that stayed as they were pretrained.</param>
/// <param name="Blocks">Blocks up to the taps.</param>
internal sealed record TunedModel(
    OnnxModel Backbone,
    IReadOnlyList<BackboneTap> Taps,
    TunedNetwork Network,
    int FrozenBlocks,
    int Blocks
)
{
    /// <summary>
    /// Calibrated probabilities [images × classes], from the features of the trained backbone and the head beside it.
    /// </summary>
    /// <exception cref="TransferException">An image cannot be used any more.</exception>
    public float[] Predict(
        IReadOnlyList<ImageItem> items,
        Preprocessing preprocessing,
        ImageLimits limits,
        int workers,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        using ImageGraph graph = FeatureGraph
            .Open(
                Backbone,
                [.. Taps.Select(t => t.Tensor)],
                preprocessing,
                limits,
                ExecutionPlan.For(ExecutionProvider.Cpu, workers)
            )
            .Graph;
        ImageRows found = new ImageRunner(graph).Run(items, "Evaluating", progress, cancellation);
        if (found.Rejected.Count > 0)
            throw new TransferException(
                $"{found.Rejected[0].File} could be used before and cannot any more: {found.Rejected[0].Reason}. "
                    + $"Run again when the images do not change; where the reason is a number of the graph, take a "
                    + $"lower --lr."
            );
        LinearHead head = Network.Head;
        var probabilities = new float[items.Count * head.ClassNames.Count];
        head.Predict(found.Values, probabilities);
        return probabilities;
    }

    /// <summary>What a reader of the figures should know.</summary>
    public IEnumerable<string> Notes()
    {
        if (Network.Ended is { } reason)
            yield return Network.Share < 1
                ? $"Training ended after epoch {Network.Epochs}: {reason}."
                : $"Training ended after epoch {Network.Epochs}: {reason}. The weights are those of epoch "
                    + $"{Network.BestEpoch}.";
        if (Network.Share < 1)
            yield return string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"The weights lie between the pretrained ones and those of the last epoch ({Network.Share:p0} of "
                    + $"the way), which the validation images liked best."
            );
        if (Network.RefitRows > 0 && Network.BestEpoch > 0)
            yield return string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"With that chosen, training was done again on all {Network.RefitRows} images, those included that "
                    + $"had judged the epochs: {Network.BestEpoch} epochs, not judged by any image."
            );
        if (Network.BestEpoch == 0)
            yield return "No epoch was better than the head fitted on the frozen features, so the backbone is as it "
                + "was pretrained.";
        if (Network.ValidationRows == 0)
            yield return "There were too few images to set some aside: no epoch was judged, the last one is kept, "
                + "and nothing is calibrated.";
    }
}
