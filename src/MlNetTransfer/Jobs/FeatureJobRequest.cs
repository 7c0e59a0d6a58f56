using MlNetTransfer.Backbones;
using MlNetTransfer.Features;

namespace MlNetTransfer.Jobs;

/// <summary>The options of a job on frozen features of a backbone. Immutable.</summary>
public abstract record FeatureJobRequest : DataJobRequest
{
    private protected FeatureJobRequest() { }

    /// <summary>
    /// Id of the backbone; several, separated by commas: side by side. Default <see cref="BackboneCatalog.DefaultId"/>.
    /// </summary>
    public string Backbone
    {
        get;
        init => field = Check.NotEmpty(value);
    } = BackboneCatalog.DefaultId;

    /// <summary>Seed of folds and draws. Default 1. Equal seeds and images give equal results.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>
    /// Cache for imported backbones and features. Default <see cref="MlNetTransfer.CacheFolder.Root"/>.
    /// </summary>
    public string CacheFolder
    {
        get;
        init => field = Check.NotEmpty(value);
    } = MlNetTransfer.CacheFolder.Root;

    /// <summary>Whether features are read from and stored in the cache. Default true.</summary>
    public bool CacheFeatures { get; init; } = true;

    /// <summary>Folder of the features' cache; null for none.</summary>
    internal string? FeatureCache => CacheFeatures ? Path.Combine(CacheFolder, "features") : null;

    /// <summary>Takes the features of all taps.</summary>
    internal FeatureExtractor ExtractorOf(Backbone backbone) =>
        new(backbone, [.. backbone.Card.Taps.Select(tap => tap.Name)], Limits, new ExecutionPlan { Workers = Workers });

    /// <summary>Opens the backbone.</summary>
    /// <param name="services">The catalog.</param>
    /// <param name="textColumn">The column of lists that has texts; null where they name images.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="TransferException">There is none, or it takes other content.</exception>
    private protected Backbone Open(JobServices services, string? textColumn, CancellationToken cancellation)
    {
        Backbone backbone = new BackboneStore(services.Catalog, Path.Combine(CacheFolder, "backbones")).Open(
            SideBySide.Ids(Backbone),
            cancellation
        );
        TextColumns.Require(backbone.Card.Encoder, textColumn, [], $"Backbone '{backbone.Card.Id}'");
        return backbone;
    }
}
