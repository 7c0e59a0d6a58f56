using System.Security.Cryptography;
using System.Text;
using MlNetTransfer.Adaptation;
using MlNetTransfer.Advice;
using MlNetTransfer.Backbones;
using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Models;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

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
        OutputFolder.RequireNoTraining(options.Output);
        Backbone backbone = options.OpenBackbone(services, cancellation);
        using OutputLock held = OutputFolder.Hold(options.Output);
        using FeatureExtractor extractor = options.ExtractorOf(backbone);
        string? cache = options.FeatureCache;
        ItemRows labelled = extractor.Extract(data.Items, cache, progress, cancellation),
            others = extractor.Extract(target.Items, cache, progress, cancellation);
        var set = TrainingSet.Of(data with { Splits = null }, labelled, extractor, Training);
        RequireEnough(set);
        target.Sort(others);
        Adapted adapted = Adapt(backbone, set, target, others, FitToJobProgress.Of(progress), cancellation);
        string digest = Digest(set, others, adapted.Trials.Single(trial => trial.Taken).Method);
        int shown = Math.Min(ModelWriter.ParityImages, others.Accepted.Length);
        (StagedFile staged, ParityRecord parity) = options.Stage(
            set,
            backbone,
            adapted.Head.Taps,
            adapted.Head.Head,
            digest,
            new ParitySample(
                [.. others.Accepted.Take(shown).Select(item => target.Items[item])],
                adapted.Found[..(shown * data.ClassNames.Count)]
            ),
            progress,
            cancellation
        );
        using StagedFile file = staged;
        int classes = data.ClassNames.Count;
        int[]? truth = target.Truth(others);
        var summary = new AdaptSummary
        {
            Source = set.Table.Rows,
            Target = others.Accepted.Length,
            Classes = data.ClassNames,
            Backbone = backbone.Card.Id,
            Head = adapted.Head.Selection.Name,
            Taps = [.. adapted.Head.Taps.Select(tap => extractor.Taps[tap].Name)],
            Trials = adapted.Trials,
            Shares = Shares(adapted.Found, classes),
            UnadaptedHead = adapted.UnadaptedHead,
            Changed = Changed(adapted.Found, adapted.Before, classes),
            Judged =
                truth?.Any(label => label >= 0) == true
                    ? AdaptJudgement.Of(truth, adapted.Before, adapted.Found, classes)
                    : null,
            Model = options.Model,
            ModelSha256 = file.Sha256,
            Parity = parity,
            Notes =
            [
                .. HeldOutRows.Notes(data),
                .. ClassSizes.Notes(data.ClassNames, set.Table.RowsPerClass()),
                .. target.Notes(data.ClassNames),
                .. Notes(data, set, others),
            ],
            Rejected = [.. set.Rejected, .. target.Rejected, .. others.Rejected],
            Options = options,
            Command = services.Command,
            TrainingDigest = digest,
            Seconds = services.Clock.GetElapsedTime(started).TotalSeconds,
        };
        ModelAndReport.Write(
            file,
            Path.Combine(options.Output, "report.json"),
            summary,
            () => WritePredictions(data.ClassNames, target, others, adapted)
        );
        return summary;
    }

    private TrainOptions Training => new() { Folder = options.Source, Output = options.Output };

    private void RequireEnough(TrainingSet set)
    {
        int different = Groups.OfDigests(set.Rows.Digests).Distinct().Count();
        if (different < DomainDistance.LeastImages)
            throw new TransferException(
                $"'{options.Source}' has {different} different labelled items that can be used; at least "
                    + $"{DomainDistance.LeastImages} are needed to adapt. Label more."
            );
    }

    /// <summary>Tries the methods, and fits the head on what the one that is taken moves.</summary>
    private Adapted Adapt(
        Backbone backbone,
        TrainingSet set,
        AdaptTarget target,
        ItemRows others,
        FitToJobProgress? progress,
        CancellationToken cancellation
    )
    {
        TapGroups groups = set.Extractor.Groups;
        var domains = new TwoDomains(
            set.Table,
            new FeatureTable(set.Data.ClassNames, new int[others.Accepted.Length], others.Values, others.Width),
            HeldOutRows.GroupsOf(set.Data, set.Rows, Training) ?? [.. Enumerable.Range(0, set.Table.Rows)],
            set.Rows.Digests,
            others.Digests,
            groups,
            HeadFitter.LastTaps(groups)
        );
        var alignment = new AlignmentOptions
        {
            Groups = groups,
            Seed = options.Seed,
            Workers = options.Workers,
        };
        IReadOnlyList<AlignmentTrial> trials = new AlignmentTrials(domains, alignment).Run(
            options.Method is { } asked ? [asked] : AlignmentMethod.All,
            target.Truth(others),
            progress,
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
            groups,
            backbone.DefaultTaps()
        );
        FittedHead unmoved = fitter.Fit(domains.Source, progress, cancellation),
            head = taken == AlignmentMethod.None
                ? unmoved
                : fitter.Fit(
                    taken.Align(domains.Source, domains.Target, alignment, cancellation),
                    progress,
                    cancellation
                );
        return new Adapted(
            trials,
            head,
            head.Predict(domains.Target),
            unmoved.Selection.Name,
            unmoved.Predict(domains.Target)
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
        Adapted adapted
    )
    {
        int classes = classNames.Count;
        ResultTable.Write(
            Path.Combine(options.Output, "predictions.csv"),
            ["file", "prediction", "probability", "unadapted", .. classNames.Select(name => $"p_{name}")],
            Enumerable
                .Range(0, others.Accepted.Length)
                .OrderBy(row => others.Accepted[row])
                .Select(row =>
                {
                    int item = others.Accepted[row];
                    ReadOnlySpan<float> own = adapted.Found.AsSpan(row * classes, classes);
                    int best = ParityRecord.Likeliest(own),
                        other = ParityRecord.Likeliest(adapted.Before.AsSpan(row * classes, classes));
                    return (IEnumerable<object?>)
                        [
                            target.Items[item].Name,
                            classNames[best],
                            own[best],
                            classNames[other],
                            .. own.ToArray().Select(p => (object?)p),
                        ];
                })
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

    private static IEnumerable<string> Notes(Dataset data, TrainingSet set, ItemRows others)
    {
        if (data.Splits is not null)
            yield return "The labelled images come with a split; all parts of it were trained on, the test part too.";
        HashSet<string> known = [.. set.Rows.ContentKeys()];
        int both = others.ContentKeys().Count(known.Contains);
        if (both > 0)
            yield return $"{both} of {others.Accepted.Length} target images are byte for byte among the labelled ones; "
                + "what is said of them says nothing of new images.";
    }

    /// <summary>What came of it.</summary>
    /// <param name="Trials">The methods tried.</param>
    /// <param name="Head">The head on what was moved.</param>
    /// <param name="Found">Its probabilities of the target's rows [rows × classes].</param>
    /// <param name="UnadaptedHead">The kind of head on the unmoved source.</param>
    /// <param name="Before">Probabilities by that [rows × classes].</param>
    private sealed record Adapted(
        IReadOnlyList<AlignmentTrial> Trials,
        FittedHead Head,
        float[] Found,
        string UnadaptedHead,
        float[] Before
    );
}
