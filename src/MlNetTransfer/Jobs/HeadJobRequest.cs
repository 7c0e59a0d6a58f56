using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Models;

namespace MlNetTransfer.Jobs;

/// <summary>The options of a job that fits a head on frozen features and writes a model. Immutable.</summary>
public abstract record HeadJobRequest : FeatureJobRequest
{
    private protected HeadJobRequest() { }

    /// <summary>How to read the labelled images.</summary>
    public DatasetOptions Dataset { get; init; } = new();

    /// <summary>
    /// Folder for model.onnx, report.json and, of <see cref="AdaptOptions"/>, predictions.csv; made where it is
    /// missing.
    /// </summary>
    public required string Output
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>The model file.</summary>
    internal string Model => Path.Combine(Output, "model.onnx");

    /// <summary>Opens the backbone.</summary>
    /// <exception cref="TransferException">There is none, or it takes other content than the data set
    /// has.</exception>
    internal Backbone OpenBackbone(JobServices services, CancellationToken cancellation)
    {
        Backbone backbone = new BackboneStore(services.Catalog, Path.Combine(CacheFolder, "backbones")).Open(
            SideBySide.Ids(Backbone),
            cancellation
        );
        TextColumns.Require(backbone.Card.Encoder, Dataset.TextColumn, [], $"Backbone '{backbone.Card.Id}'");
        return backbone;
    }

    /// <summary>Takes the features of all taps.</summary>
    internal FeatureExtractor ExtractorOf(Backbone backbone) =>
        new(backbone, [.. backbone.Card.Taps.Select(tap => tap.Name)], Limits, new ExecutionPlan { Workers = Workers });

    /// <summary>Writes a model beside its place, and checks it on items whose probabilities are known.</summary>
    /// <param name="set">What it was trained on.</param>
    /// <param name="backbone">The backbone.</param>
    /// <param name="taps">Places of the taps that its features are taken from.</param>
    /// <param name="head">The head on them.</param>
    /// <param name="digest">All that the model depends on.</param>
    /// <param name="sample">The items.</param>
    /// <param name="progress">Told how far the check is.</param>
    /// <param name="cancellation">Ends it.</param>
    internal (StagedFile File, ParityRecord Parity) Stage(
        TrainingSet set,
        Backbone backbone,
        IReadOnlyList<int> taps,
        IHead head,
        string digest,
        ParitySample sample,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        (Backbone used, IReadOnlyList<BackboneTap> own) = backbone.Only([
            .. taps.Select(tap => set.Extractor.Taps[tap]),
        ]);
        var metadata = new ModelMetadata
        {
            Labels = head.ClassNames,
            Encoder = used.Card.Encoder,
            Backbone = used.Card.Id,
            CardDigest = used.Card.Digest(),
            Taps = [.. own.Select(tap => tap.Name)],
            TrainingDigest = digest,
            TrainingImages = ImageHashes.Of(set.Rows.Digests, [.. Enumerable.Range(0, set.Table.Rows)]),
        };
        return new ModelWriter(Limits, set.Extractor.Plan).Stage(
            ModelGraph.Build(FeatureGraph.Build(used.LoadModel(), [.. own.Select(tap => tap.Tensor)]), head, metadata),
            Model,
            sample,
            progress,
            cancellation
        );
    }
}
