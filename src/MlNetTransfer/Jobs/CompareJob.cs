using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>What backbones to compare on which images. Immutable; an invalid instance cannot be made.</summary>
public sealed record CompareOptions : DataJobRequest
{
    /// <summary>The labelled images, as <see cref="TrainOptions.Folder"/>.</summary>
    public required string Folder
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>How to read the labelled images.</summary>
    public DatasetOptions Dataset { get; init; } = new();

    /// <summary>Ids of the backbones. Default null: all that take images and are on this machine.</summary>
    public IReadOnlyList<string>? Backbones
    {
        get;
        init => field = value is null ? null : Names.Of(value, least: 1);
    }

    /// <summary>The kind of head. Default <see cref="HeadKind.Auto"/>: kernel, discriminant and ridge.</summary>
    public HeadKind Head { get; init; } = HeadKind.Auto;

    /// <summary>
    /// With <see cref="TestTimeAugmentation.Flip"/> every backbone is compared in two ways: as it is, and averaged over
    /// each image and its mirror image, called by its id with "-flip". Default none: as it is.
    /// </summary>
    public TestTimeAugmentation TestTimeAugmentation { get; init; }

    /// <summary>Seed of the folds. Default 1.</summary>
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
    public override CompareJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>
/// Compares backbones, their taps and heads by 5-fold cross-validation on all images that are not set apart as a test
/// part. Writes nothing but the caches.
/// </summary>
/// <param name="options">The comparison.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class CompareJob(CompareOptions options, JobServices? services = null) : IJob<CompareSummary>
{
    private readonly JobServices services = services ?? JobServices.Default;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job.</param>
    /// <exception cref="TransferException">There is no such backbone, it takes no images, or there are too few
    /// images.</exception>
    public CompareSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = services.Clock.GetTimestamp();
        Dataset data = HeldOutRows.WithoutUnassigned(DatasetReader.Read(options.Folder, options.Dataset));
        BackboneCatalog catalog = services.Catalog;
        IReadOnlyList<string> ids = BackboneCandidates.Among(options.Backbones, catalog);
        Backbone backbone = Ways(
            new BackboneStore(catalog, Path.Combine(options.CacheFolder, "backbones")).Open(ids, cancellation)
        );
        using var extractor = new FeatureExtractor(
            backbone,
            [.. backbone.Card.Taps.Select(t => t.Name)],
            options.Limits,
            new ExecutionPlan { Workers = options.Workers }
        );
        var run = new TrainOptions
        {
            Folder = options.Folder,
            Output = options.Folder,
            Seed = options.Seed,
        };
        ItemRows rows = extractor.Extract(
            data.Items,
            options.CacheFeatures ? Path.Combine(options.CacheFolder, "features") : null,
            progress,
            cancellation
        );
        TrainingSet set = TrainingSet.Of(data, rows, extractor, run);
        FeatureTable compared = set.Table.Select(BackboneCandidates.ComparedRows(set, run));
        IReadOnlyList<LeaderboardRow> board = BackboneCandidates.Leaderboard(
            backbone,
            set,
            compared,
            new HeadRecipeOptions
            {
                Head = options.Head,
                Seed = options.Seed,
                Workers = options.Workers,
            },
            services,
            progress,
            cancellation
        );
        return new CompareSummary(
            board,
            Math.Min(compared.Rows, BackboneChooser.ComparedRows),
            set.Rejected,
            services.Clock.GetElapsedTime(started).TotalSeconds
        );
    }

    /// <summary>The networks in all ways that are compared.</summary>
    private Backbone Ways(Backbone backbone) =>
        options.TestTimeAugmentation == TestTimeAugmentation.None
            ? backbone
            : SideBySide.Of([.. backbone.Parts, .. MirroredNetwork.Of(backbone, options.TestTimeAugmentation).Parts]);
}

/// <summary>What a comparison of backbones found.</summary>
/// <param name="Leaderboard">Backbones, taps and heads, the most accurate first; the one that an automatic choice takes
/// is marked.</param>
/// <param name="Images">Images that they were compared on, about.</param>
/// <param name="Rejected">Images that could not be used, and why.</param>
/// <param name="Seconds">Wall time.</param>
public sealed record CompareSummary(
    IReadOnlyList<LeaderboardRow> Leaderboard,
    int Images,
    IReadOnlyList<RejectedItem> Rejected,
    double Seconds
);
