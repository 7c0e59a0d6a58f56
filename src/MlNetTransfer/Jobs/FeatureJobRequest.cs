using MlNetTransfer.Backbones;

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
}
