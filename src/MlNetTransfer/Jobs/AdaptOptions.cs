using MlNetTransfer.Adaptation;
using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Jobs;

/// <summary>
/// A classifier for images of one domain from labelled images of another. Immutable; an invalid instance cannot be
/// made.
/// </summary>
public sealed record AdaptOptions : HeadJobRequest
{
    /// <summary>
    /// The labelled images, all of them: see <see cref="DatasetReader"/>. Lists of the target have the same columns.
    /// </summary>
    public required string Source
    {
        get;
        init => field = Check.NotEmpty(value);
    }

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

    /// <summary>
    /// How the source's features are moved. Default null: all are tried, and the simplest is taken for which the
    /// target's images speak and which keeps the source's classes apart, else <see cref="AlignmentMethod.None"/>.
    /// </summary>
    public AlignmentMethod? Method { get; init; }

    /// <summary>The kind of head. Default <see cref="HeadKind.Auto"/>.</summary>
    public HeadKind Head { get; init; } = HeadKind.Auto;

    /// <inheritdoc/>
    public override AdaptJob CreateJob(JobServices? services = null) => new(this, services);
}
