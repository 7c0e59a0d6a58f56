using MlNetTransfer.Advice;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;

namespace MlNetTransfer.Jobs;

/// <summary>A question how far apart two sets of images are. Immutable; an invalid instance cannot be made.</summary>
public sealed record DistanceOptions : FeatureJobRequest
{
    /// <summary>One set: a folder, a list or an archive. Labels are passed over.</summary>
    public required string First
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>The other set.</summary>
    public required string Second
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <inheritdoc/>
    public override DistanceJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>Measures how far apart two sets of images are to a backbone. Writes nothing but the caches.</summary>
/// <param name="options">The question.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class DistanceJob(DistanceOptions options, JobServices? services = null) : IJob<DistanceSummary>
{
    private readonly JobServices services = services ?? JobServices.Default;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job.</param>
    /// <exception cref="TransferException">A set has too few images that can be used, or there is no such
    /// backbone.</exception>
    public DistanceSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = services.Clock.GetTimestamp();
        (IReadOnlyList<DataItem> first, IReadOnlyList<RejectedItem> lost) = ImageInputs.Of([options.First]);
        (IReadOnlyList<DataItem> second, IReadOnlyList<RejectedItem> also) = ImageInputs.Of([options.Second]);
        Backbone backbone = new BackboneStore(services.Catalog, Path.Combine(options.CacheFolder, "backbones")).Open(
            SideBySide.Ids(options.Backbone),
            cancellation
        );
        using FeatureExtractor extractor = ExtractorOf(backbone, options);
        string? cache = options.FeatureCache;
        ItemRows a = extractor.Extract(first, cache, progress, cancellation),
            b = extractor.Extract(second, cache, progress, cancellation);
        Require(options.First, a.Digests, [.. lost, .. a.Rejected]);
        Require(options.Second, b.Digests, [.. also, .. b.Rejected]);
        return new DistanceSummary(
            DomainDistance.Between(Unlabelled(a), Unlabelled(b), a.Digests, b.Digests, options.Seed, cancellation),
            backbone.Card.Id,
            a.Accepted.Length,
            b.Accepted.Length,
            [.. lost, .. a.Rejected, .. also, .. b.Rejected],
            services.Clock.GetElapsedTime(started).TotalSeconds
        );
    }

    /// <summary>How far the images of a question are from those of its source.</summary>
    /// <param name="options">The question; it has a source.</param>
    /// <param name="question">Its images and their features.</param>
    /// <param name="progress">Told how far each stage is.</param>
    /// <param name="cancellation">Ends the work.</param>
    internal static DomainDistance ToSource(
        AdviseOptions options,
        AdviseQuestion question,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        IReadOnlyList<string> ids = question.Groups.DistinctNetworks;
        SingleNetwork network = question.OfNetwork(
            ids.Contains(BackboneCatalog.DefaultId) ? BackboneCatalog.DefaultId : ids[0]
        );
        (IReadOnlyList<DataItem> source, IReadOnlyList<RejectedItem> lost) = ImageInputs.Of([options.Source!]);
        using FeatureExtractor extractor = ExtractorOf(network.Backbone, options);
        ItemRows far = extractor.Extract(
            source,
            options.CacheFeatures ? Path.Combine(options.CacheFolder, "features") : null,
            progress,
            cancellation
        );
        byte[] digests = question.Set.Recipe(question.Run).Images.DigestsOf(question.Train);
        Require(options.Source!, far.Digests, [.. lost, .. far.Rejected]);
        Require(options.Folder, digests, []);
        return DomainDistance.Between(
            network.AtDefaultTap.Select(question.Train),
            Unlabelled(far),
            digests,
            far.Digests,
            options.Seed,
            cancellation
        );
    }

    /// <summary>The features of the default taps.</summary>
    private static FeatureExtractor ExtractorOf(Backbone backbone, DataJobRequest request) =>
        new(backbone, limits: request.Limits, plan: new ExecutionPlan { Workers = request.Workers });

    private static FeatureTable Unlabelled(ItemRows rows) =>
        new(["images"], new int[rows.Accepted.Length], rows.Values, rows.Width);

    private static void Require(string source, byte[] digests, IReadOnlyList<RejectedItem> rejected)
    {
        int different = Groups.OfDigests(digests).Distinct().Count();
        if (different >= DomainDistance.LeastImages)
            return;
        string because =
            rejected.Count == 0
                ? ""
                : $" {rejected.Count} were rejected, e.g. {rejected[0].File}: {rejected[0].Reason}.";
        throw new TransferException(
            $"'{source}' has {different} different usable images; at least {DomainDistance.LeastImages} are needed to "
                + $"say how far they are from others.{because}"
        );
    }
}

/// <summary>How far apart two sets of images are.</summary>
/// <param name="Distance">The distance.</param>
/// <param name="Backbone">Id of the backbone whose features were compared.</param>
/// <param name="FirstImages">Images of the first set that can be used.</param>
/// <param name="SecondImages">Images of the second set that can be used.</param>
/// <param name="Rejected">Images that could not be used, and why.</param>
/// <param name="Seconds">Wall time.</param>
public sealed record DistanceSummary(
    DomainDistance Distance,
    string Backbone,
    int FirstImages,
    int SecondImages,
    IReadOnlyList<RejectedItem> Rejected,
    double Seconds
);
