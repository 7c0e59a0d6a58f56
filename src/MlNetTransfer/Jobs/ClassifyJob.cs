using System.Globalization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Jobs;

/// <summary>Classifies images by a backbone's own head, with the classes that it was pretrained on.</summary>
/// <remarks>
/// Labels are the card's source classes; a card without them gives "class 17". Logits get a Softmax; what ends in
/// Softmax or Sigmoid is taken as it is.
/// </remarks>
/// <param name="backbone">Id of the backbone's card.</param>
/// <param name="inputs">Image files and sources as for <see cref="PredictJob"/>, at least one.</param>
/// <param name="top">Classes to list per image, at least 1.</param>
/// <param name="catalog">The backbones; null for those at hand.</param>
/// <param name="cacheFolder">Cache for imported backbones; null for <see cref="CacheFolder.Root"/>.</param>
/// <param name="limits">What an image may cost.</param>
/// <param name="plan">How the graph is run; the CPU's plan if null.</param>
/// <param name="clock">Measures the wall time.</param>
public sealed class ClassifyJob(
    string backbone,
    IReadOnlyList<string> inputs,
    int top = 3,
    BackboneCatalog? catalog = null,
    string? cacheFolder = null,
    ImageLimits? limits = null,
    ExecutionPlan? plan = null,
    TimeProvider? clock = null
)
{
    private readonly int top = Check.InRange(top, 1, int.MaxValue);
    private readonly TimeProvider clock = clock ?? TimeProvider.System;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told after every image, from any thread.</param>
    /// <param name="cancellation">Ends the job between two images.</param>
    /// <exception cref="TransferException">There is no such backbone, or it is no classifier.</exception>
    public PredictionSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = clock.GetTimestamp();
        Backbone opened = new BackboneStore(
            catalog ?? BackboneCatalog.Default,
            Path.Combine(cacheFolder ?? CacheFolder.Root, "backbones")
        ).Open(backbone, cancellation);
        OnnxModel model = opened.LoadModel();
        int classes = Classes(opened.Card, model);
        string[] labels =
        [
            .. opened.Card.SourceClasses.Count > 0
                ? opened.Card.SourceClasses
                : Enumerable.Range(0, classes).Select(c => string.Create(CultureInfo.InvariantCulture, $"class {c}")),
        ];
        (IReadOnlyList<ImageItem> items, IReadOnlyList<RejectedImage> rejected) = ImageInputs.Of(inputs);
        using var graph = new ImageGraph(
            ClassifierOutput.ToProbabilities(model, classes).ToBytes(),
            ClassifierOutput.Probabilities,
            opened.Card.Encoder,
            limits,
            plan
        );
        ImageRows rows = new ImageRunner(graph).Run(items, "Classifying", progress, cancellation);
        Prediction[] predictions =
        [
            .. rows.Accepted.Select((item, row) => Prediction.Of(labels, items[item].Name, rows.Row(row), top)),
        ];
        return new PredictionSummary(
            predictions,
            [.. rejected, .. rows.Rejected],
            rows.ImagesPerSecond,
            clock.GetElapsedTime(started).TotalSeconds
        )
        {
            ClassNames = labels,
        };
    }

    private static int Classes(BackboneCard card, OnnxModel model)
    {
        string output = model.Outputs.Single().Name;
        Dimension[]? shape = model.DeclaredShape(output)?.Dimensions.ToArray();
        int? classes =
            shape is [_, { Size: > 1 and var row }] ? (int)row
            : shape is [_, { Size: > 1 and var map }, { Size: 1 }, { Size: 1 }] ? (int)map
            : null;
        if (classes is null || card.Taps.Any(t => t.Tensor == output))
            throw new TransferException(
                $"The backbone '{card.Id}' is no classifier: its output is features. Train one on it: "
                    + $"mlnet-transfer train FOLDER --backbone {card.Id}"
            );
        if (card.SourceClasses.Count > 0 && card.SourceClasses.Count != classes)
            throw new TransferException(
                $"The backbone '{card.Id}' gives {classes} scores; its card names {card.SourceClasses.Count} "
                    + $"classes. Correct the card."
            );
        return classes.Value;
    }
}
