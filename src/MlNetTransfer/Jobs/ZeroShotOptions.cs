using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Jobs;

/// <summary>
/// A classifier that knows classes without images from what they are like. Immutable; an invalid instance cannot be
/// made.
/// </summary>
public sealed record ZeroShotOptions : HeadJobRequest
{
    /// <summary>The labelled images, all of them: see <see cref="DatasetReader"/>.</summary>
    public required string Folder
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// What all classes are like, those without images too: a file that <see cref="ClassAttributes.Read"/> reads.
    /// </summary>
    public required string Attributes
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// Penalty on what is learnt of the attributes, as <see cref="ZeroShotTrainerOptions.Penalty"/>. Default 1.
    /// </summary>
    public double Penalty
    {
        get;
        init => field = new ZeroShotTrainerOptions { Penalty = value }.Penalty;
    } = new ZeroShotTrainerOptions().Penalty;

    /// <inheritdoc/>
    public override ZeroShotJob CreateJob(JobServices? services = null) => new(this, services);
}
