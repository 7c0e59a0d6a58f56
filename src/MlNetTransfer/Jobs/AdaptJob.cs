using System.Security.Cryptography;
using System.Text;
using MlNetTransfer.Adaptation;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Models;
using MlNetTransfer.Training;

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

/// <summary>
/// Trains a classifier for images without labels from labelled images that look different: the source's features are
/// moved to where the target's lie, and a head is trained on what was moved (unsupervised domain adaptation).
/// </summary>
/// <remarks>
/// The model file is like any other and takes images of the target as they are. It is checked on images of the target
/// before it takes its name. It promises nothing beside its probabilities: no labelled image of the target was there to
/// measure a promise by.
/// </remarks>
/// <param name="options">What is adapted to what.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class AdaptJob(AdaptOptions options, JobServices? services = null) : IJob<AdaptSummary>
{
    private readonly JobServices services = services ?? JobServices.Default;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job; no model file is touched.</param>
    /// <exception cref="TransferException">A class has fewer than two images, the target has too few, or an option
    /// contradicts another; the message names it and the fix.</exception>
    public AdaptSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = services.Clock.GetTimestamp();
        Dataset data = DatasetReader.Read(options.Source, options.Dataset);
        TrainingSet.RequireTwoPerClass(data, data.CountPerClass(), []);
        AdaptTarget target = AdaptTarget.Read(options, data.ClassNames);
        OutputFolder.RequireWritable(options.Output);
        Backbone backbone = new BackboneStore(services.Catalog, Path.Combine(options.CacheFolder, "backbones")).Open(
            SideBySide.Ids(options.Backbone),
            cancellation
        );
        TextColumns.Require(backbone.Card.Encoder, options.Dataset.TextColumn, [], $"Backbone '{backbone.Card.Id}'");
        using OutputLock held = OutputLock.OfFolder(options.Output);
        StagedFile.RemoveLeftOver(Path.Combine(options.Output, "model.onnx"));
        using FeatureExtractor extractor = new(
            backbone,
            [.. backbone.Card.Taps.Select(tap => tap.Name)],
            options.Limits,
            new ExecutionPlan { Workers = options.Workers }
        );
        string? cache = options.CacheFeatures ? Path.Combine(options.CacheFolder, "features") : null;
        ItemRows labelled = extractor.Extract(data.Items, cache, progress, cancellation),
            others = extractor.Extract(target.Items, cache, progress, cancellation);
        var set = TrainingSet.Of(
            data with
            {
                Splits = null,
            },
            labelled,
            extractor,
            new TrainOptions { Folder = options.Source, Output = options.Output }
        );
        target.RequireEnough(others);
        var domains = new TwoDomains(
            set.Table,
            new FeatureTable(data.ClassNames, new int[others.Accepted.Length], others.Values, others.Width),
            labelled.Digests,
            others.Digests,
            extractor.Groups,
            HeadFitter.LastTaps(extractor.Groups)
        );
        int[]? truth = target.Truth(others);
        FitToJobProgress? fits = FitToJobProgress.Of(progress);
        var alignment = new AlignmentOptions
        {
            Groups = extractor.Groups,
            Seed = options.Seed,
            Workers = options.Workers,
        };
        IReadOnlyList<AlignmentTrial> trials = new AlignmentTrials(domains, alignment).Run(
            options.Method is { } asked ? [asked] : AlignmentMethod.All,
            truth,
            fits,
            cancellation
        );
        // What was asked for is taken, whatever the images say.
        if (options.Method is not null)
            trials = [.. trials.Select(trial => trial with { Taken = trial.Method == options.Method })];
        AlignmentMethod taken = trials.Single(trial => trial.Taken).Method;
        var fitter = new HeadFitter(
            new HeadRecipeOptions
            {
                Head = options.Head,
                Seed = options.Seed,
                Workers = options.Workers,
            },
            extractor.Groups,
            backbone.DefaultTaps()
        );
        FittedHead unmoved = fitter.Fit(domains.Source, fits, cancellation),
            head = taken == AlignmentMethod.None
                ? unmoved
                : fitter.Fit(taken.Align(domains.Source, domains.Target, alignment, cancellation), fits, cancellation);
        float[] found = head.Predict(domains.Target),
            before = unmoved.Predict(domains.Target);
        (StagedFile staged, ParityRecord parity) = Stage(
            backbone,
            set,
            target,
            others,
            head,
            found,
            taken,
            progress,
            cancellation
        );
        using StagedFile file = staged;
        int classes = data.ClassNames.Count;
        var summary = new AdaptSummary
        {
            Source = set.Table.Rows,
            Target = others.Accepted.Length,
            Classes = data.ClassNames,
            Backbone = backbone.Card.Id,
            Head = head.Selection.Name,
            Taps = [.. head.Taps.Select(tap => extractor.Taps[tap].Name)],
            Trials = trials,
            Shares = Shares(found, classes),
            Changed = Changed(found, before, classes),
            Judged = truth is null ? null : AdaptJudgement.Of(truth, before, found, classes),
            Model = Path.Combine(options.Output, "model.onnx"),
            ModelSha256 = file.Sha256,
            Parity = parity,
            Notes = [.. target.Notes(data.ClassNames), .. Notes(set, others)],
            Rejected = [.. set.Rejected, .. target.Rejected, .. others.Rejected],
            Seed = options.Seed,
            Seconds = services.Clock.GetElapsedTime(started).TotalSeconds,
        };
        ModelAndReport.Write(
            file,
            Path.Combine(options.Output, "report.json"),
            summary,
            () => WritePredictions(data.ClassNames, target, others, found, before)
        );
        return summary;
    }

    /// <summary>Writes the model beside its place, and checks it on images of the target.</summary>
    private (StagedFile File, ParityRecord Parity) Stage(
        Backbone backbone,
        TrainingSet set,
        AdaptTarget target,
        ItemRows others,
        FittedHead head,
        float[] found,
        AlignmentMethod taken,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        (Backbone used, IReadOnlyList<BackboneTap> taps) = backbone.Only([
            .. head.Taps.Select(tap => set.Extractor.Taps[tap]),
        ]);
        var metadata = new ModelMetadata
        {
            Labels = set.Data.ClassNames,
            Encoder = used.Card.Encoder,
            Backbone = used.Card.Id,
            CardDigest = used.Card.Digest(),
            Taps = [.. taps.Select(tap => tap.Name)],
            TrainingDigest = Digest(set, others, taken),
            TrainingImages = ImageHashes.Of(set.Rows.Digests, [.. Enumerable.Range(0, set.Table.Rows)]),
        };
        int shown = Math.Min(ModelWriter.ParityImages, others.Accepted.Length);
        return new ModelWriter(options.Limits, set.Extractor.Plan).Stage(
            ModelGraph.Build(
                FeatureGraph.Build(used.LoadModel(), [.. taps.Select(tap => tap.Tensor)]),
                head.Head,
                metadata
            ),
            Path.Combine(options.Output, "model.onnx"),
            new ParitySample(
                [.. others.Accepted.Take(shown).Select(item => target.Items[item])],
                found[..(shown * set.Data.ClassNames.Count)]
            ),
            progress,
            cancellation
        );
    }

    /// <summary>Names all that the model depends on.</summary>
    private string Digest(TrainingSet set, ItemRows others, AlignmentMethod method) =>
        TrainingDigest.Of(
            set.Extractor.Space.Key(),
            SHA256.HashData([
                .. Encoding.UTF8.GetBytes(
                    FormattableString.Invariant($"adapt {method.Name} {options.Head.Name} {options.Seed}")
                ),
                .. Encoding.UTF8.GetBytes(string.Join('\n', set.Data.ClassNames)),
                .. set.Rows.Digests,
                .. set.Table.Labels.SelectMany(BitConverter.GetBytes),
                .. others.Digests,
            ])
        );

    private void WritePredictions(
        IReadOnlyList<string> classNames,
        AdaptTarget target,
        ItemRows others,
        float[] found,
        float[] before
    )
    {
        int classes = classNames.Count;
        ResultTable.Write(
            Path.Combine(options.Output, "predictions.csv"),
            ["file", "prediction", "probability", "unadapted", .. classNames.Select(name => $"p_{name}")],
            others.Accepted.Select(
                (item, row) =>
                {
                    ReadOnlySpan<float> own = found.AsSpan(row * classes, classes);
                    int best = ParityRecord.Likeliest(own),
                        other = ParityRecord.Likeliest(before.AsSpan(row * classes, classes));
                    return (IEnumerable<object?>)
                        [
                            target.Items[item].Name,
                            classNames[best],
                            own[best],
                            classNames[other],
                            .. own.ToArray().Select(p => (object?)p),
                        ];
                }
            )
        );
    }

    private static double[] Shares(float[] probabilities, int classes)
    {
        var shares = new double[classes];
        int rows = probabilities.Length / classes;
        for (int row = 0; row < rows; row++)
            shares[ParityRecord.Likeliest(probabilities.AsSpan(row * classes, classes))] += 1.0 / rows;
        return shares;
    }

    private static int Changed(float[] found, float[] before, int classes) =>
        Enumerable
            .Range(0, found.Length / classes)
            .Count(row =>
                ParityRecord.Likeliest(found.AsSpan(row * classes, classes))
                != ParityRecord.Likeliest(before.AsSpan(row * classes, classes))
            );

    private static IEnumerable<string> Notes(TrainingSet set, ItemRows others)
    {
        const int size = SHA256.HashSizeInBytes;
        HashSet<string> known = [];
        for (int row = 0; row < set.Table.Rows; row++)
            known.Add(Convert.ToHexString(set.Rows.Digests.AsSpan(row * size, size)));
        int both = Enumerable
            .Range(0, others.Accepted.Length)
            .Count(row => known.Contains(Convert.ToHexString(others.Digests.AsSpan(row * size, size))));
        if (both > 0)
            yield return $"{both} of {others.Accepted.Length} target images are byte for byte among the labelled ones; "
                + "what is said of them says nothing of new images.";
    }
}
