using MlNetTransfer.Advice;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>A question how to train on some images. Immutable; an invalid instance cannot be made.</summary>
public sealed record AdviseOptions : DataJobRequest
{
    /// <summary>The labelled images, as <see cref="TrainOptions.Folder"/>; a test part is not looked at.</summary>
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

    /// <summary>
    /// Images such as the backbone was trained on, or any others: how far the labelled ones are from them is measured.
    /// Default null: nothing.
    /// </summary>
    public string? Source
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// Time for trying trainings of the network, 0 or more; the head is always judged. Default 5 minutes. With it the
    /// result depends on the speed of the machine.
    /// </summary>
    public TimeSpan TimeBudget
    {
        get;
        init =>
            field =
                value >= TimeSpan.Zero
                    ? value
                    : throw new ArgumentOutOfRangeException(
                        nameof(TimeBudget),
                        value,
                        "TimeBudget must not be below 0."
                    );
    } = TimeSpan.FromMinutes(5);

    /// <summary>Seed of the folds and draws. Default 1.</summary>
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
    public override AdviseJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>
/// Says which backbone to take and how to train on some images, from measurements on them. Writes nothing but the
/// caches.
/// </summary>
/// <param name="options">The question.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class AdviseJob(AdviseOptions options, JobServices? services = null) : IJob<AdviseSummary>
{
    /// <summary>Rows that estimates are computed from at most.</summary>
    private const int EstimateRows = 500;

    // With 25 a class, images without labels were worth no point.
    private const int FewPerClass = 10;

    private readonly JobServices services = services ?? JobServices.Default;
    private readonly ExecutionPlan plan = new() { Workers = options.Workers };

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job.</param>
    /// <exception cref="TransferException">There is no such backbone, it takes no images, or there are too few
    /// images.</exception>
    public AdviseSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = services.Clock.GetTimestamp();
        Dataset data = HeldOutRows.WithoutUnassigned(DatasetReader.Read(options.Folder, options.Dataset));
        IReadOnlyList<string> ids = BackboneCandidates.Among(options.Backbones, services.Catalog);
        Backbone backbone = new BackboneStore(services.Catalog, Path.Combine(options.CacheFolder, "backbones")).Open(
            ids,
            cancellation
        );
        using var extractor = new FeatureExtractor(
            backbone,
            [.. backbone.Card.Taps.Select(t => t.Name)],
            options.Limits,
            plan
        );
        ItemRows rows = Extract(extractor, data.Items, progress, cancellation);
        var run = new TrainOptions
        {
            Folder = options.Folder,
            Output = options.Folder,
            Seed = options.Seed,
            Limits = options.Limits,
        };
        TrainingSet set = TrainingSet.Of(data, rows, extractor, run);
        var question = new AdviseQuestion(
            set,
            BackboneCandidates.ComparedRows(set, run),
            backbone,
            BackboneCandidates.Groups(backbone, extractor),
            run
        );
        TransferAdvice advice = Advise(question, progress, cancellation);
        return new AdviseSummary(
            advice,
            options.Folder,
            set.Rejected,
            services.Clock.GetElapsedTime(started).TotalSeconds
        );
    }

    private TransferAdvice Advise(
        AdviseQuestion question,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        FeatureTable table = question.Set.Table.Select(question.Train);
        IReadOnlyList<LeaderboardRow> board = BackboneCandidates.Leaderboard(
            question.Backbone,
            question.Set,
            table,
            new HeadRecipeOptions { Seed = options.Seed, Workers = options.Workers },
            services,
            progress,
            cancellation
        );
        int[] counts = table.RowsPerClass();
        SingleNetwork single = question.OfNetwork(BestSingle(board));
        var quadrant = DataQuadrant.Of(single.AtDefaultTap.Select(question.Train), options.Seed, cancellation);
        IReadOnlyList<BaselineTrial> baselines = Baselines(question, single, progress, cancellation);
        DomainDistance? source = options.Source is null
            ? null
            : DistanceJob.ToSource(options, question, progress, cancellation);
        List<string> notes = [.. HeldOutRows.Notes(question.Set.Data)];
        double perClass = (double)question.Set.Table.Rows / question.Set.Table.Classes;
        if (perClass <= FewPerClass)
            notes.Add(
                FormattableString.Invariant(
                    $"There are {perClass:0.#} labelled images a class on average: images without "
                ) + "labels may be worth points, and train --unlabelled FOLDER tries them."
            );
        IReadOnlyList<StrategyTrial> trials = Try(question, single, quadrant.Rule, notes, progress, cancellation);
        return new TransferAdvice
        {
            Strategies = new AdvisedRanking(
                quadrant.Rule,
                board,
                single.Backbone.Card.Id,
                trials,
                table.Rows,
                Math.Min(table.Rows, BackboneChooser.ComparedRows)
            ).Of(),
            Data = question.Summary(counts),
            Quadrant = quadrant,
            Source = source,
            Baselines = baselines,
            Leaderboard = board,
            Estimates = Estimates(question, progress, cancellation),
            Trials = trials,
            Notes = notes,
        };
    }

    private ItemRows Extract(
        FeatureExtractor extractor,
        IReadOnlyList<DataItem> items,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    ) =>
        extractor.Extract(
            items,
            options.CacheFeatures ? Path.Combine(options.CacheFolder, "features") : null,
            progress,
            cancellation
        );

    /// <summary>The one network that serves best by itself: what can be trained.</summary>
    private static string BestSingle(IReadOnlyList<LeaderboardRow> board) =>
        board.FirstOrDefault(row => row.Taken && !row.Backbone.Contains(SideBySide.Plus))?.Backbone
        ?? board.Where(row => !row.Backbone.Contains(SideBySide.Plus)).MinBy(row => row.LogLoss)!.Backbone;

    private IReadOnlyList<BaselineTrial> Baselines(
        AdviseQuestion question,
        SingleNetwork single,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        int[] some = question.Sample(Advice.Baselines.MostImages);
        return new Baselines([.. some.Select(question.Set.Item)], single.AtDefaultTap.Select(some), options.Seed).Judge(
            single.Backbone,
            single.Backbone.Card.Tap(),
            plan,
            options.Limits,
            progress,
            cancellation
        );
    }

    private IReadOnlyList<StrategyTrial> Try(
        AdviseQuestion question,
        SingleNetwork single,
        FreezeRule rule,
        List<string> notes,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        if (options.TimeBudget == TimeSpan.Zero)
            return [];
        string folder = Directory.CreateTempSubdirectory("mlnet-transfer-advise-").FullName;
        try
        {
            var recipe = new AutoRecipe(
                new RecipeSettings
                {
                    Strategy = TrainingStrategy.Auto,
                    Backbone = single.Backbone,
                    Head = new HeadRecipeOptions { Seed = options.Seed, Workers = options.Workers },
                    // One training: a second on all images would judge nothing.
                    FineTune = new FineTuneOptions { TimeBudget = options.TimeBudget, Refit = false },
                    Rule = rule,
                    Limits = options.Limits,
                    Folder = folder,
                    BoundaryCache = options.CacheFeatures ? Path.Combine(options.CacheFolder, "boundary") : null,
                    Clock = services.Clock,
                }
            );
            recipe.Check(single.Taps, question.Set.Table.Classes);
            IReadOnlyList<StrategyTrial> trials = recipe.Try(
                single.Rows(question),
                question.Train,
                new FitContext(0, progress, cancellation)
            );
            notes.AddRange(recipe.Notes);
            return trials;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private List<BackboneEstimate> Estimates(
        AdviseQuestion question,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        int[] some = question.Sample(EstimateRows);
        FeatureTable sample = question.Set.Table.Select(some);
        List<BackboneEstimate> estimates = [];
        int done = 0;
        foreach (string id in question.Groups.DistinctNetworks)
        {
            (double? leep, double? entropy) = OfSourceHead(question, id, some, sample, progress, cancellation);
            foreach (int tap in question.Groups.TapsOf([id]))
            {
                cancellation.ThrowIfCancellationRequested();
                progress?.Report(new JobProgress("Estimating transferability", done++, question.Groups.Names.Count));
                FeatureTable own = question.Groups.Columns(sample, [tap]);
                estimates.Add(
                    new BackboneEstimate(
                        id,
                        question.TapName(tap),
                        Transferability.LogMe(own, options.Workers),
                        Transferability.HScore(own, options.Workers),
                        Transferability.NearestNeighbour(own, options.Workers),
                        leep,
                        entropy
                    )
                );
            }
        }

        return estimates;
    }

    /// <summary>What the source's own head says of the images, where it has one.</summary>
    private (double? Leep, double? Entropy) OfSourceHead(
        AdviseQuestion question,
        string id,
        int[] rows,
        FeatureTable sample,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        Backbone network = question.Backbone.Parts.Single(part => part.Card.Id == id);
        int classes = network.Card.SourceClasses.Count;
        if (classes < 2)
            return (null, null);
        using var graph = new ItemGraph(
            ClassifierOutput.ToProbabilities(network.LoadModel(), classes).ToBytes(),
            ClassifierOutput.Probabilities,
            network.Card.Encoder,
            options.Limits,
            plan
        );
        ItemRows found = new ItemRunner(graph).Run(
            [.. rows.Select(question.Set.Item)],
            $"Asking the head of {id}",
            progress,
            cancellation
        );
        return found.Accepted.Length < rows.Length
            ? (null, null)
            : (
                Transferability.Leep(sample.Labels, sample.Classes, found.Values, classes),
                Transferability.NegativeConditionalEntropy(sample.Labels, sample.Classes, found.Values, classes)
            );
    }
}

/// <summary>What advice found.</summary>
/// <param name="Advice">The advice.</param>
/// <param name="Folder">The images.</param>
/// <param name="Rejected">Images that could not be used, and why.</param>
/// <param name="Seconds">Wall time.</param>
public sealed record AdviseSummary(
    TransferAdvice Advice,
    string Folder,
    IReadOnlyList<RejectedItem> Rejected,
    double Seconds
);
