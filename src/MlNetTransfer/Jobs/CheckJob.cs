using MlNetTransfer.Backbones;
using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Features;

namespace MlNetTransfer.Jobs;

/// <summary>A check of labelled images. Immutable; an invalid instance cannot be made.</summary>
public sealed record CheckOptions : DataJobRequest
{
    private static readonly string[] Droppable =
    [
        .. Enum.GetValues<FindingKind>()
            .Where(kind => kind is not (FindingKind.Unreadable or FindingKind.SmallClass or FindingKind.Imbalance))
            .Select(kind => kind.ToString().ToLowerInvariant()),
    ];

    /// <summary>The labelled images, as <see cref="TrainOptions.Folder"/>; one class is enough.</summary>
    public required string Folder
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>How to read the labelled images.</summary>
    public DatasetOptions Dataset { get; init; } = new();

    /// <summary>
    /// Id of the backbone by which images are compared and labels are checked; several, separated by commas: side by
    /// side. Default <see cref="BackboneCatalog.DefaultId"/>.
    /// </summary>
    public string Backbone
    {
        get;
        init => field = Check.NotEmpty(value);
    } = BackboneCatalog.DefaultId;

    /// <summary>
    /// The list to write, a .csv or .jsonl: all images but those that are unreadable, those that are the same as
    /// another, and those of <see cref="Drop"/>. Images are never touched. Default null: none.
    /// </summary>
    public string? Apply
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// Kinds of findings, in any case, whose images the list leaves out too; null for none. Not those of files that
    /// cannot be used and of whole classes.
    /// </summary>
    public IReadOnlyList<string>? Drop
    {
        get;
        init => field = value is null ? null : Names.Of(value.Select(KindName), least: 1);
    }

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

    /// <summary>What <see cref="Drop"/> can name.</summary>
    public static IReadOnlyList<string> DropNames => Droppable;

    /// <summary>The kinds that are left out of the list.</summary>
    internal IReadOnlySet<FindingKind> Dropped =>
        (Drop ?? []).Select(name => Enum.Parse<FindingKind>(name, ignoreCase: true)).ToHashSet();

    /// <inheritdoc/>
    public override CheckJob CreateJob(JobServices? services = null) => new(this, services);

    private static string KindName(string name) =>
        Droppable.FirstOrDefault(known => known.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new ArgumentException(
            $"there is no kind '{name}' to leave out; there are {string.Join(", ", Droppable)}.",
            nameof(name)
        );
}

/// <summary>
/// Finds what is wrong with labelled images, by their bytes, their pixels and the features of a backbone. Writes
/// nothing but the caches and, where it is asked for, a list without some of the images.
/// </summary>
/// <param name="options">The check.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class CheckJob(CheckOptions options, JobServices? services = null) : IJob<CheckSummary>
{
    private readonly JobServices services = services ?? JobServices.Default;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job; a list that was there stays as it was.</param>
    /// <exception cref="TransferException">The data set or an option is not as it has to be, or no image can be used;
    /// the message names it and the fix.</exception>
    public CheckSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = services.Clock.GetTimestamp();
        if (options.Drop is not null && options.Apply is null)
            throw new TransferException(
                "Drop (--drop) has no effect here: it says what the list of --apply leaves out. Give that, or leave it "
                    + "out."
            );
        Dataset data = DatasetReader.Read(options.Folder, options.Dataset with { MinimumClasses = 1 });
        RequireList(data);
        Backbone backbone = new BackboneStore(services.Catalog, Path.Combine(options.CacheFolder, "backbones")).Open(
            SideBySide.Ids(options.Backbone),
            cancellation
        );
        TextColumns.Require(backbone.Card.Encoder, options.Dataset.TextColumn, [], $"Backbone '{backbone.Card.Id}'");
        if (backbone.Card.Encoder.Kind == EncoderKind.Texts)
            throw new TransferException(
                $"Backbone '{backbone.Card.Id}' takes texts, and a check looks at images. Give a --backbone of images."
            );
        (CheckedImages images, IReadOnlyList<RejectedItem> rejected) = Look(data, backbone, progress, cancellation);
        var checks = new DataChecks(images, options.Limits, options.Workers, options.Seed);
        DataFinding[] findings =
        [
            .. rejected.Select(image => new DataFinding(
                FindingKind.Unreadable,
                [image.File],
                null,
                $"Cannot be used: {image.Reason}."
            )),
            .. checks.Find(progress, cancellation),
        ];
        HashSet<string> leftOut = CleanedList.LeftOut(findings, options.Dropped);
        if (options.Apply is { } list)
            ResultTable.Write(
                list,
                CleanedList.Columns(data),
                CleanedList.Rows(data, leftOut, Path.GetDirectoryName(Path.GetFullPath(list))!)
            );
        return new CheckSummary
        {
            Images = images.Count,
            Classes = data.ClassNames.Count,
            Findings = findings,
            Notes = checks.Notes,
            CleanedList = options.Apply,
            LeftOut = options.Apply is null ? 0 : data.Items.Count(item => leftOut.Contains(item.Name)),
            Seconds = services.Clock.GetElapsedTime(started).TotalSeconds,
        };
    }

    /// <summary>Features of all taps, as training takes them, so that they are computed once for both.</summary>
    private (CheckedImages Images, IReadOnlyList<RejectedItem> Rejected) Look(
        Dataset data,
        Backbone backbone,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        using var extractor = new FeatureExtractor(
            backbone,
            [.. backbone.Card.Taps.Select(tap => tap.Name)],
            options.Limits,
            new ExecutionPlan { Workers = options.Workers }
        );
        ItemRows rows = extractor.Extract(
            data.Items,
            options.CacheFeatures ? Path.Combine(options.CacheFolder, "features") : null,
            progress,
            cancellation
        );
        RejectedItem[] rejected = [.. data.Rejected, .. rows.Rejected];
        if (rows.Accepted.Length == 0)
            throw new TransferException(
                $"No image in '{options.Folder}' could be used; the first of {rejected.Length} rejected: "
                    + $"{rejected[0].File}: {rejected[0].Reason}."
            );
        var all = new FeatureTable(
            data.ClassNames,
            [.. rows.Accepted.Select(item => data.Items[item].Label)],
            rows.Values,
            rows.Width
        );
        string[] names = [.. extractor.Groups.Names],
            taken = [.. backbone.DefaultTaps()];
        DataItem[] items = [.. rows.Accepted.Select(item => data.Items[item])];
        FeatureTable table = extractor.Groups.Columns(all, [.. taken.Select(tap => Array.IndexOf(names, tap))]);
        if (table == all)
            all = all.Select([.. Enumerable.Range(0, all.Rows)]);
        return (
            new CheckedImages(
                items,
                table,
                ImagePoints.InPlace(all),
                rows.Digests,
                ImageInspector.InspectAll(items, options.Limits, options.Workers, progress, cancellation),
                data.Splits is { } splits ? [.. rows.Accepted.Select(item => splits[item])] : null
            ),
            rejected
        );
    }

    /// <summary>Finds what hinders the list before an image is read.</summary>
    private void RequireList(Dataset data)
    {
        if (options.Apply is not { } list)
            return;
        string full = Path.GetFullPath(list);
        if (Path.GetExtension(list).ToLowerInvariant() is not (".csv" or ".jsonl"))
            throw new TransferException($"--apply is '{list}'; its name must end in .csv or .jsonl.");
        if (!Directory.Exists(Path.GetDirectoryName(full)))
            throw new TransferException(
                $"--apply is '{list}'; the folder '{Path.GetDirectoryName(full)}' does not exist. Make it first."
            );
        if (full == Path.GetFullPath(options.Folder))
            throw new TransferException(
                $"--apply is '{list}', the list that is checked. Give another name; compare the two afterwards."
            );
        if (data.Items.Any(item => item.Location is not FileLocation))
            throw new TransferException(
                $"'{options.Folder}' is an archive, and a list cannot name images in one. Unpack it and check the "
                    + "folder, or leave --apply out."
            );
    }
}

/// <summary>What a check found.</summary>
public sealed record CheckSummary
{
    /// <summary>Images that can be used.</summary>
    public required int Images { get; init; }

    /// <summary>Number of classes.</summary>
    public required int Classes { get; init; }

    /// <summary>How many findings there are of each kind that there are any of, in the order in which they are best
    /// mended.</summary>
    public IReadOnlyDictionary<FindingKind, int> Counts =>
        Findings.GroupBy(f => f.Kind).OrderBy(g => g.Key).ToDictionary(g => g.Key, g => g.Count());

    /// <summary>The findings, ordered by kind, those of a kind as they are best looked at.</summary>
    public required IReadOnlyList<DataFinding> Findings { get; init; }

    /// <summary>What could not be checked, and why.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>The list that was written; null where none was asked for.</summary>
    public required string? CleanedList { get; init; }

    /// <summary>Images of the data set that the list leaves out.</summary>
    public required int LeftOut { get; init; }

    /// <summary>Wall time in seconds.</summary>
    public required double Seconds { get; init; }
}
