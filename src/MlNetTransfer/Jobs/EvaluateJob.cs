using System.Numerics.Tensors;
using System.Security.Cryptography;
using System.Text.Json.Serialization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Models;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Jobs;

/// <summary>An evaluation to make. Immutable; an invalid instance cannot be made.</summary>
public sealed record EvaluateOptions : DataJobRequest
{
    /// <summary>The model file.</summary>
    public required string Model
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// The labelled images: a folder with one folder per class, a list or an archive, see <see cref="DatasetReader"/>;
    /// classes of the model may be missing, other classes may not be there.
    /// </summary>
    public required string Folder
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>How to read the labelled images; one class is enough in any case.</summary>
    public DatasetOptions Dataset { get; init; } = new();

    /// <summary>What runs the model. Default the CPU.</summary>
    public ExecutionProvider Device { get; init; }

    /// <inheritdoc/>
    public override EvaluateJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>
/// Evaluates a model file on labelled images: all of them, or the part held out where they come with a split of their
/// own (test; without one, validation).
/// </summary>
/// <param name="options">The evaluation.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class EvaluateJob(EvaluateOptions options, JobServices? services = null) : IJob<ModelEvaluation>
{
    private readonly TimeProvider clock = (services ?? JobServices.Default).Clock;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told after every image, from any thread.</param>
    /// <param name="cancellation">Ends the job between two images.</param>
    /// <exception cref="TransferException">The data set has a class that the model does not know, or no usable
    /// image.</exception>
    public ModelEvaluation Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = clock.GetTimestamp();
        using TransferModel model = TransferModel.Load(
            options.Model,
            options.Limits,
            ExecutionPlan.For(options.Device, options.Workers)
        );
        TextColumns.Require(model.Metadata.Encoder, options.Dataset.TextColumn, [], "The model");
        Dataset data = HeldOut(DatasetReader.Read(options.Folder, options.Dataset with { MinimumClasses = 1 }));
        int[] labels = new KnownClasses(
            model.ClassNames,
            "the model",
            "does not know",
            "It knows",
            "Rename it as the model has it"
        ).LabelsOf(data.ClassNames, options.Folder);
        ItemRows answers = model.Answer(data.Items, "Scoring images", progress, cancellation),
            rows = AnswerRows.Probabilities(answers, model.ClassNames.Count);
        RejectedItem[] rejected = [.. data.Rejected, .. rows.Rejected];
        if (rows.Accepted.Length == 0)
            throw new TransferException(
                $"No image in '{options.Folder}' could be used; the first of {rejected.Length} rejected: "
                    + $"{rejected[0].File}: {rejected[0].Reason}."
            );
        ImageHashes? known = model.Metadata.TrainingImages;
        EvaluatedItem[] images =
        [
            .. rows.Accepted.Select(
                (item, row) =>
                    new EvaluatedItem(
                        data.Items[item].Name,
                        model.ClassNames[labels[data.Items[item].Label]],
                        known?.Contains(rows.Digests.AsSpan(row * SHA256.HashSizeInBytes)),
                        rows.Values.AsMemory(row * rows.Width, rows.Width)
                    )
                    {
                        Location = data.Items[item].Location,
                    }
            ),
        ];
        return new ModelEvaluation
        {
            Images = images.Length,
            Classes = model.ClassNames.Count,
            TrainingImagesKnown = known is not null,
            Unseen = Figures(model.ClassNames, [.. images.Where(i => i.Seen != true)]),
            Seen = Figures(model.ClassNames, [.. images.Where(i => i.Seen == true)]),
            Reliability = model.Metadata.Reliability,
            ReliabilityCheck = Checked(model, images, AnswerRows.Unknown(answers, model.ClassNames.Count)),
            Notes = [.. Notes(known)],
            Rejected = rejected,
            ImagesPerSecond = rows.ImagesPerSecond,
            Seconds = clock.GetElapsedTime(started).TotalSeconds,
            ClassNames = model.ClassNames,
            Predictions = images,
        };
    }

    private static EvaluationFigures? Figures(IReadOnlyList<string> classNames, IReadOnlyList<EvaluatedItem> images)
    {
        if (images.Count == 0)
            return null;
        var index = classNames
            .Select((name, label) => (name, label))
            .ToDictionary(c => c.name, c => c.label, StringComparer.Ordinal);
        int[] labels = [.. images.Select(image => index[image.Truth])];
        return EvaluationFigures.Of(
            ClassificationReport.Of(classNames, labels, [.. images.SelectMany(image => image.Probabilities.ToArray())])
        );
    }

    /// <summary>What became of the promises on the images that it was not trained on; null without any.</summary>
    private static ReliabilityCheck? Checked(TransferModel model, EvaluatedItem[] images, float[] unknown)
    {
        int[] unseen = [.. Enumerable.Range(0, images.Length).Where(i => images[i].Seen != true)];
        if (model.Metadata.Reliability is not { } promised || unseen.Length == 0)
            return null;
        string[] names = [.. model.ClassNames];
        return ReliabilityCheck.Of(
            promised,
            [.. unseen.Select(i => Array.IndexOf(names, images[i].Truth))],
            unseen.SelectMany(i => images[i].Probabilities.ToArray()).ToArray(),
            unknown.Length == 0 ? [] : [.. unseen.Select(i => unknown[i])]
        );
    }

    private static IEnumerable<string> Notes(ImageHashes? known)
    {
        if (known is null)
            yield return "The model file does not say which images it was trained on: those among these images "
                + "could not be told apart.";
        else if (!known.AreAll)
            yield return $"The model file knows {known.Count} of the images it was trained on: others among these "
                + $"images could not be told apart.";
    }

    private static Dataset HeldOut(Dataset data)
    {
        if (data.Splits is not { } splits || PremadeSplit.HeldOut(splits) is var part && part == SplitPart.None)
            return data;
        return data with { Items = [.. data.Items.Where((_, i) => splits[i] == part)], Splits = null };
    }
}

/// <summary>The figures of a run with what it could not use and how long it took.</summary>
public record EvaluationSummary : EvaluationFigures
{
    /// <summary>Makes the summary of a report.</summary>
    /// <param name="images">Images used.</param>
    /// <param name="report">The judgement of the evaluated images.</param>
    /// <param name="rejected">Images that were not used, and why.</param>
    /// <param name="imagesPerSecond">Images per second through decoding, preprocessing and the graph.</param>
    /// <param name="elapsed">Wall time of the whole job.</param>
    internal EvaluationSummary(
        int images,
        ClassificationReport report,
        IReadOnlyList<RejectedItem> rejected,
        double imagesPerSecond,
        TimeSpan elapsed
    )
        : base(images, report) =>
        (Rejected, ImagesPerSecond, Seconds) = (rejected, imagesPerSecond, elapsed.TotalSeconds);

    /// <summary>Images that were not used, and why.</summary>
    [JsonPropertyOrder(-12)]
    public IReadOnlyList<RejectedItem> Rejected { get; }

    /// <summary>
    /// Images per second through decoding, preprocessing and the graph (or the cache), on all workers.
    /// </summary>
    [JsonPropertyOrder(-11)]
    public double ImagesPerSecond { get; }

    /// <summary>Wall time of the whole job in seconds.</summary>
    [JsonPropertyOrder(-10)]
    public double Seconds { get; }
}

/// <summary>
/// An evaluation of a model file, with the images that it was trained on apart: on those it is nearly always right,
/// which says nothing of new ones.
/// </summary>
public sealed record ModelEvaluation
{
    /// <summary>Images used.</summary>
    public required int Images { get; init; }

    /// <summary>Number of classes.</summary>
    public required int Classes { get; init; }

    /// <summary>Accuracy on the images that it was not trained on, in [0, 1]; null where there is none.</summary>
    public double? Accuracy => Unseen?.Accuracy;

    /// <summary>95 % Wilson interval of that [low, high]; null where there is none.</summary>
    public IReadOnlyList<double>? AccuracyInterval => Unseen?.AccuracyInterval;

    /// <summary>Whether the model file says which images it was trained on; where not, all count as unseen.</summary>
    public required bool TrainingImagesKnown { get; init; }

    /// <summary>The figures of the images that it was not trained on; null where there is none.</summary>
    public required EvaluationFigures? Unseen { get; init; }

    /// <summary>The figures of the images that it was trained on; null where there is none.</summary>
    public required EvaluationFigures? Seen { get; init; }

    /// <summary>What the model file promises; null where it says nothing of that.</summary>
    public Reliability? Reliability { get; init; }

    /// <summary>
    /// What became of that on the images that it was not trained on; null where there is none, or no promise.
    /// </summary>
    public ReliabilityCheck? ReliabilityCheck { get; init; }

    /// <summary>What a reader of the figures should know.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Images that were not used, and why.</summary>
    public required IReadOnlyList<RejectedItem> Rejected { get; init; }

    /// <summary>Images per second through decoding, preprocessing and the graph, on all workers.</summary>
    public required double ImagesPerSecond { get; init; }

    /// <summary>Wall time of the whole job in seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>The classes; the index is the label id.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> ClassNames { get; init; } = [];

    /// <summary>What the model says of each item used, in the order of the data set.</summary>
    [JsonIgnore]
    public IReadOnlyList<EvaluatedItem> Predictions { get; init; } = [];
}

/// <summary>What a model says of one labelled item.</summary>
/// <param name="File">The item.</param>
/// <param name="Truth">Its class.</param>
/// <param name="Seen">Whether the model was trained on it; null where the model file does not say.</param>
/// <param name="Probabilities">Probability of each class [classes].</param>
public sealed record EvaluatedItem(string File, string Truth, bool? Seen, ReadOnlyMemory<float> Probabilities)
{
    /// <summary>
    /// The fold of the cross-validation whose model said it, which was not trained on the image; null without folds.
    /// </summary>
    public int? Fold { get; init; }

    /// <summary>Where the image is; null where that is not known, as of a table that was read.</summary>
    public ItemLocation? Location { get; init; }

    /// <summary>The likeliest class; of equal ones, that with the lower index.</summary>
    public int Predicted => Probabilities.Span.IndexOf(TensorPrimitives.Max(Probabilities.Span));
}

/// <summary>How a model does on some images: plain numbers, in the order of the JSON.</summary>
public record EvaluationFigures
{
    /// <param name="images">Images used.</param>
    /// <param name="report">The judgement of the evaluated images.</param>
    internal EvaluationFigures(int images, ClassificationReport report)
    {
        (Images, Classes, Accuracy, AccuracyInterval) = (
            images,
            report.ClassNames.Count,
            report.Accuracy,
            [report.AccuracyInterval.Low, report.AccuracyInterval.High]
        );
        (Metrics, Ranking) = (report.Metrics, report.Ranking);
        (LogLoss, Ece, Confusion, PerClass) = (
            report.LogLoss,
            report.CalibrationError,
            report.Confusion,
            report.PerClass
        );
    }

    /// <summary>Images used.</summary>
    [JsonPropertyOrder(-20)]
    public int Images { get; }

    /// <summary>Number of classes.</summary>
    [JsonPropertyOrder(-19)]
    public int Classes { get; }

    /// <summary>Share of the evaluated images whose likeliest class is the true one, in [0, 1].</summary>
    [JsonPropertyOrder(-18)]
    public double Accuracy { get; }

    /// <summary>95 % Wilson interval of the accuracy [low, high].</summary>
    [JsonPropertyOrder(-17)]
    public IReadOnlyList<double> AccuracyInterval { get; }

    /// <summary>What guessing without looking gets: 1 / classes.</summary>
    [JsonPropertyOrder(-16)]
    public double Chance => 1.0 / Classes;

    /// <summary>The class that most of the evaluated images are of; of equal ones, the first.</summary>
    [JsonPropertyOrder(-16)]
    public string MajorityClass => PerClass.MaxBy(c => c.Support)!.Name;

    /// <summary>What always guessing that class gets on the evaluated images, in [0, 1].</summary>
    [JsonPropertyOrder(-16)]
    public double MajorityShare => (double)PerClass.Max(c => c.Support) / PerClass.Sum(c => c.Support);

    /// <summary>Mean log-loss in nats.</summary>
    [JsonPropertyOrder(-16)]
    public double LogLoss { get; }

    /// <summary>Expected calibration error over 15 bins, in [0, 1].</summary>
    [JsonPropertyOrder(-15)]
    public double Ece { get; }

    /// <summary>Further figures, each with its 95 % interval.</summary>
    [JsonPropertyOrder(-15)]
    public ClassificationMetrics Metrics { get; }

    /// <summary>How well each class's probability ranks the evaluated images, with 95 % intervals.</summary>
    [JsonPropertyOrder(-15)]
    public RankingScores Ranking { get; }

    /// <summary>Evaluated images by true class (rows) and predicted class (columns) [classes × classes].</summary>
    [JsonPropertyOrder(-14)]
    public IReadOnlyList<IReadOnlyList<int>> Confusion { get; }

    /// <summary>Scores of every class.</summary>
    [JsonPropertyOrder(-13)]
    public IReadOnlyList<ClassScore> PerClass { get; }

    /// <summary>The figures of a report.</summary>
    /// <param name="report">The judgement of the evaluated images.</param>
    public static EvaluationFigures Of(ClassificationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new EvaluationFigures(report.Rows, report);
    }
}
