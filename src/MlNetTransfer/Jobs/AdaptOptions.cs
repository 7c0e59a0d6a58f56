using MlNetTransfer.Adaptation;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Jobs;

/// <summary>
/// A classifier for images of one domain from labelled images of another. Immutable; an invalid instance cannot be
/// made.
/// </summary>
public sealed record AdaptOptions : DataJobRequest
{
    /// <summary>The labelled images, all of them: see <see cref="DatasetReader"/>.</summary>
    public required string Source
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>How to read the labelled images; lists of the target have the same columns.</summary>
    public DatasetOptions Dataset { get; init; } = new();

    /// <summary>Images of the other domain, without labels: a folder, a list or an archive.</summary>
    public required string Target
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// Whether the target has labels, as the source has them, to judge the result by. Nothing that is chosen or trained
    /// looks at them. Default false.
    /// </summary>
    public bool ScoreTarget { get; init; }

    /// <summary>Folder for model.onnx, report.json and predictions.csv; made where it is missing.</summary>
    public required string Output
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// Id of the backbone; several, separated by commas: side by side. Default <see cref="BackboneCatalog.DefaultId"/>.
    /// </summary>
    public string Backbone
    {
        get;
        init => field = Check.NotEmpty(value);
    } = BackboneCatalog.DefaultId;

    /// <summary>
    /// How the source's features are moved. Default null: all are tried, and the simplest is taken for which the
    /// target's images speak and which keeps the source's classes apart, else <see cref="AlignmentMethod.None"/>.
    /// </summary>
    public AlignmentMethod? Method { get; init; }

    /// <summary>The kind of head. Default <see cref="HeadKind.Auto"/>.</summary>
    public HeadKind Head { get; init; } = HeadKind.Auto;

    /// <summary>Seed of folds and draws. Default 1. Equal seeds and images give an equal model file.</summary>
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

    /// <inheritdoc/>
    public override AdaptJob CreateJob(JobServices? services = null) => new(this, services);
}
