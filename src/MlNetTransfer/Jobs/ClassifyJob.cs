using System.Globalization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Datasets;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Jobs;

/// <summary>What to classify by a backbone. Immutable; an invalid instance cannot be made.</summary>
public sealed record ClassifyOptions : PredictionRequest
{
    /// <summary>Id of the backbone's card.</summary>
    public required string Backbone
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>Cache for imported backbones. Default <see cref="MlNetTransfer.CacheFolder.Root"/>.</summary>
    public string CacheFolder
    {
        get;
        init => field = Check.NotEmpty(value);
    } = MlNetTransfer.CacheFolder.Root;

    /// <inheritdoc/>
    public override ClassifyJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>Classifies images by a backbone's own head, with the classes that it was pretrained on.</summary>
/// <remarks>
/// Labels are the card's source classes; a card without them gives "class 17". Logits get a Softmax; what ends in
/// Softmax or Sigmoid is taken as it is.
/// </remarks>
/// <param name="options">The classification.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class ClassifyJob(ClassifyOptions options, JobServices? services = null) : IJob<PredictionSummary>
{
    private readonly JobServices services = services ?? JobServices.Default;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told after every image, from any thread.</param>
    /// <param name="cancellation">Ends the job between two images.</param>
    /// <exception cref="TransferException">There is no such backbone, or it is no classifier.</exception>
    public PredictionSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = services.Clock.GetTimestamp();
        Backbone opened = new BackboneStore(services.Catalog, Path.Combine(options.CacheFolder, "backbones")).Open(
            options.Backbone,
            cancellation
        );
        OnnxModel model = opened.LoadModel();
        int classes = Classes(opened.Card, model);
        string[] labels =
        [
            .. opened.Card.SourceClasses.Count > 0
                ? opened.Card.SourceClasses
                : Enumerable.Range(0, classes).Select(c => string.Create(CultureInfo.InvariantCulture, $"class {c}")),
        ];
        (IReadOnlyList<DataItem> items, IReadOnlyList<RejectedItem> rejected) = ImageInputs.Of(options.Images);
        using var graph = new ItemGraph(
            ClassifierOutput.ToProbabilities(model, classes).ToBytes(),
            ClassifierOutput.Probabilities,
            opened.Card.Encoder,
            options.Limits,
            ExecutionPlan.For(options.Device, options.Workers)
        );
        ItemRows rows = new ItemRunner(graph).Run(items, "Classifying", progress, cancellation);
        Prediction[] predictions =
        [
            .. rows.Accepted.Select((item, row) => Prediction.Of(labels, items[item].Name, rows.Row(row), options.Top)),
        ];
        return new PredictionSummary(
            predictions,
            [.. rejected, .. rows.Rejected],
            rows.ImagesPerSecond,
            services.Clock.GetElapsedTime(started).TotalSeconds
        )
        {
            ClassNames = labels,
        };
    }

    /// <summary>Whether an output is a tap, seen through what has no weights.</summary>
    private static bool IsFeatures(BackboneCard card, OnnxModel model, string output)
    {
        for (string? tensor = output; tensor is not null; )
        {
            if (card.Taps.Any(tap => tap.Tensor == tensor))
                return true;
            string made = tensor;
            tensor =
                model.Nodes.FirstOrDefault(node => node.Output.Contains(made)) is { } node && IsForm(node.OpType)
                    ? node.Input[0]
                    : null;
        }

        return false;
    }

    private static bool IsForm(string type) =>
        type
            is "Flatten"
                or "Reshape"
                or "Squeeze"
                or "Identity"
                or "Transpose"
                or "Dropout"
                or "GlobalAveragePool"
                or "AveragePool"
                or "ReduceMean";

    private static int Classes(BackboneCard card, OnnxModel model)
    {
        string output = model.Outputs.Single().Name;
        Dimension[]? shape = model.DeclaredShape(output)?.Dimensions.ToArray();
        int? classes =
            shape is [_, { Size: > 1 and var row }] ? (int)row
            : shape is [_, { Size: > 1 and var map }, { Size: 1 }, { Size: 1 }] ? (int)map
            // One score, that of the second of two classes.
            : card.SourceClasses.Count == 2 && shape is [_, { Size: 1 }] or [_, { Size: 1 }, { Size: 1 }, { Size: 1 }]
                ? 2
            : null;
        if (classes is null || IsFeatures(card, model, output))
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
