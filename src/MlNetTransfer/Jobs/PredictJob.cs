using System.Text.Json.Serialization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Models;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Jobs;

/// <summary>Images to predict the classes of. Immutable; an invalid instance cannot be made.</summary>
public abstract record PredictionRequest : DataJobRequest
{
    private protected PredictionRequest() { }

    /// <summary>
    /// Image files, folders, .zip archives and .csv, .tsv, .jsonl or .ndjson lists; see <see cref="DatasetReader"/>. Of
    /// a list, only the paths count, or the texts.
    /// </summary>
    public required IReadOnlyList<string> Images
    {
        get;
        init => field = Names.Of(value, least: LeastImages);
    }

    /// <summary>Fewest images that a request must name.</summary>
    private protected virtual int LeastImages => 1;

    /// <summary>Classes to list per image, in [1, 100000]. Default 3.</summary>
    public int Top
    {
        get;
        init => field = Check.InRange(value, 1, 100_000);
    } = 3;

    /// <summary>What runs the graph. Default the CPU.</summary>
    public ExecutionProvider Device { get; init; }
}

/// <summary>What to predict by a trained model. Immutable; an invalid instance cannot be made.</summary>
public sealed record PredictOptions : PredictionRequest
{
    /// <summary>The model file.</summary>
    public required string Model
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// The column of lists that has texts, for a network of texts. Default null: lists name files. With it, all of
    /// <see cref="PredictionRequest.Images"/> are lists.
    /// </summary>
    public string? TextColumn
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>Texts to predict, besides <see cref="PredictionRequest.Images"/>. Default none.</summary>
    public IReadOnlyList<string> Texts
    {
        get;
        init => field = Names.Of(value);
    } = Names.Of([]);

    /// <summary>None where texts are given instead.</summary>
    private protected override int LeastImages => 0;

    /// <summary>How the set of classes of each image is made. Default LAC: the smallest sets on average.</summary>
    public ClassSetKind Sets { get; init; }

    /// <inheritdoc/>
    public override PredictJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>
/// Predicts the classes of image files, of all files below folders and in zip archives, and of the images that lists
/// name.
/// </summary>
/// <param name="options">The prediction.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class PredictJob(PredictOptions options, JobServices? services = null) : IJob<PredictionSummary>
{
    private readonly TimeProvider clock = (services ?? JobServices.Default).Clock;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told after every image, from any thread.</param>
    /// <param name="cancellation">Ends the job between two images.</param>
    public PredictionSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = clock.GetTimestamp();
        if (options.Images.Count + options.Texts.Count == 0)
            throw new TransferException(
                "Nothing to predict was given: Images and Texts are empty. Give images, folders, archives or lists; "
                    + "to a model of texts, texts."
            );
        using TransferModel model = TransferModel.Load(
            options.Model,
            options.Limits,
            ExecutionPlan.For(options.Device, options.Workers)
        );
        TextColumns.Require(model.Metadata.Encoder, options.TextColumn, options.Texts, "The model");
        (IReadOnlyList<DataItem> items, IReadOnlyList<RejectedItem> rejected) = ImageInputs.Of(
            options.Images,
            options.TextColumn
        );
        items = [.. items, .. options.Texts.Select((text, i) => TextColumns.Item(text, i + 1))];
        ItemRows rows = model.Answer(items, "Scoring images", progress, cancellation);
        Prediction[] predictions =
        [
            .. rows.Accepted.Select(
                (item, row) => Prediction.Of(model, items[item].Name, rows.Row(row), options.Top, options.Sets)
            ),
        ];
        return new PredictionSummary(
            predictions,
            [.. rejected, .. rows.Rejected],
            rows.ImagesPerSecond,
            clock.GetElapsedTime(started).TotalSeconds
        )
        {
            ClassNames = model.ClassNames,
        };
    }
}

/// <summary>What a model says of one image.</summary>
/// <param name="File">The image.</param>
/// <param name="Label">The likeliest class; of equal ones, that with the lower index.</param>
/// <param name="Probability">Its probability, in [0, 1].</param>
/// <param name="Top">The likeliest classes, falling.</param>
public sealed record Prediction(string File, string Label, float Probability, IReadOnlyList<LabelProbability> Top)
{
    /// <summary>Probability of each class, in the order of the model's classes.</summary>
    [JsonIgnore]
    public ReadOnlyMemory<float> Probabilities { get; init; }

    /// <summary>Whether the model is not sure; null where it cannot say.</summary>
    public bool? Abstained { get; init; }

    /// <summary>The classes that come into question, likeliest first; null where the model cannot say.</summary>
    public IReadOnlyList<string>? Set { get; init; }

    /// <summary>
    /// How unlike any training image it is, at least 0, the threshold being 1; null where the model does not score
    /// that.
    /// </summary>
    public float? UnknownScore { get; init; }

    /// <summary>Whether it is unlike any training image; null where the model does not score that.</summary>
    public bool? Unknown { get; init; }

    /// <summary>What a model says of an image.</summary>
    /// <param name="model">The model.</param>
    /// <param name="file">The image.</param>
    /// <param name="answer">A row of <see cref="TransferModel.Answers"/>.</param>
    /// <param name="top">Classes to list.</param>
    /// <param name="sets">How its set of classes is made.</param>
    internal static Prediction Of(
        TransferModel model,
        string file,
        ReadOnlySpan<float> answer,
        int top,
        ClassSetKind sets
    )
    {
        ReliabilityVerdict verdict = model.Judge(answer, sets);
        return Of(model.ClassNames, file, answer[..model.ClassNames.Count], top) with
        {
            Abstained = verdict.Abstains,
            Set = verdict.Set is { } set ? [.. set.Select(c => model.ClassNames[c])] : null,
            UnknownScore = verdict.Unknown,
            Unknown = verdict.IsUnknown,
        };
    }

    internal static Prediction Of(IReadOnlyList<string> classes, string file, ReadOnlySpan<float> row, int top)
    {
        float[] probabilities = row.ToArray();
        LabelProbability[] best =
        [
            .. Enumerable
                .Range(0, classes.Count)
                .OrderByDescending(c => probabilities[c])
                .ThenBy(c => c)
                .Take(top)
                .Select(c => new LabelProbability(classes[c], probabilities[c])),
        ];
        return new Prediction(file, best[0].Label, best[0].Probability, best) { Probabilities = probabilities };
    }
}

/// <summary>What a model says of images.</summary>
/// <param name="Predictions">One per usable image, in the order given.</param>
/// <param name="Rejected">Images that were not used, and why.</param>
/// <param name="ImagesPerSecond">Images per second, decoding included, on all workers.</param>
/// <param name="Seconds">Wall time of the whole job in seconds.</param>
public sealed record PredictionSummary(
    IReadOnlyList<Prediction> Predictions,
    IReadOnlyList<RejectedItem> Rejected,
    double ImagesPerSecond,
    double Seconds
)
{
    /// <summary>The classes; the index is the label id.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> ClassNames { get; init; } = [];
}

/// <summary>A class and its probability, in [0, 1].</summary>
/// <param name="Label">Name of the class.</param>
/// <param name="Probability">The probability.</param>
public sealed record LabelProbability(string Label, float Probability);
