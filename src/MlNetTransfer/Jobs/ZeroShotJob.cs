using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Models;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>
/// Trains a classifier on labelled images that also knows classes of which there are none, from attributes of all
/// (generalised zero-shot learning).
/// </summary>
/// <remarks>
/// The model file is like any other, and its classes are all that are described. It promises nothing beside its
/// probabilities, for no image of the described classes was there to measure a promise by; how well such classes are
/// known is measured on classes with images that are held out whole, see <see cref="ZeroShotTrainer"/>.
/// </remarks>
/// <param name="options">What is trained.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class ZeroShotJob(ZeroShotOptions options, JobServices? services = null) : IJob<ZeroShotSummary>
{
    private readonly JobServices services = services ?? JobServices.Default;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job; no model file is touched.</param>
    /// <exception cref="TransferException">A class with images is not described or has fewer than two, no class is only
    /// described, or the file of attributes is not as it has to be; the message names it and the fix.</exception>
    public ZeroShotSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = services.Clock.GetTimestamp();
        ClassAttributes attributes = ClassAttributes.Read(options.Attributes, options.Dataset.Lists);
        Dataset data = DatasetReader.Read(options.Folder, options.Dataset);
        TrainingSet.RequireTwoPerClass(data, data.CountPerClass(), []);
        var trainer = new ZeroShotTrainer(
            attributes,
            new ZeroShotTrainerOptions
            {
                Penalty = options.Penalty,
                Seed = options.Seed,
                Workers = options.Workers,
            }
        );
        trainer.RequireDescribed(data.ClassNames);
        OutputFolder.RequireWritable(options.Output);
        OutputFolder.RequireNoTraining(options.Output);
        Backbone backbone = options.OpenBackbone(services, cancellation);
        using OutputLock held = OutputFolder.Hold(options.Output);
        using FeatureExtractor extractor = options.ExtractorOf(backbone);
        ItemRows rows = extractor.Extract(data.Items, options.FeatureCache, progress, cancellation);
        var training = new TrainOptions { Folder = options.Folder, Output = options.Output };
        var set = TrainingSet.Of(data with { Splits = null }, rows, extractor, training);
        int[] taps = HeadFitter.LastTaps(extractor.Groups);
        FeatureTable table = extractor.Groups.Columns(set.Table, taps);
        ZeroShotFit fit = trainer.Fit(
            table,
            HeldOutRows.GroupsOf(set.Data, set.Rows, training),
            FitToJobProgress.Of(progress),
            cancellation
        );
        string digest = Digest(set, attributes);
        int[] shown = [.. Enumerable.Range(0, table.Rows).Take(ModelWriter.ParityImages)];
        (StagedFile staged, ParityRecord parity) = options.Stage(
            set,
            backbone,
            taps,
            fit.Head,
            digest,
            new ParitySample([.. shown.Select(set.Item)], fit.Head.Predict(table.Select(shown))),
            progress,
            cancellation
        );
        using StagedFile file = staged;
        var summary = new ZeroShotSummary
        {
            Images = table.Rows,
            Classes = attributes.Classes,
            Described = [.. attributes.Classes.Except(data.ClassNames)],
            Attributes = attributes.Names,
            Backbone = backbone.Card.Id,
            Taps = [.. taps.Select(tap => extractor.Taps[tap].Name)],
            Judgement = fit.Judgement,
            Handicap = fit.Handicap,
            Temperature = fit.Temperature,
            Model = options.Model,
            ModelSha256 = file.Sha256,
            Parity = parity,
            Notes =
            [
                .. HeldOutRows.Notes(data),
                .. data.Splits is null
                    ? (string[])[]
                    : ["The images come with a split; all parts of it were trained on, the test part too."],
                .. ClassSizes.Notes(data.ClassNames, set.Table.RowsPerClass()),
            ],
            Rejected = set.Rejected,
            Options = options,
            Command = services.Command,
            TrainingDigest = digest,
            Seconds = services.Clock.GetElapsedTime(started).TotalSeconds,
        };
        ModelAndReport.Write(file, Path.Combine(options.Output, "report.json"), summary, () => { });
        return summary;
    }

    /// <summary>Names all that the model depends on.</summary>
    private string Digest(TrainingSet set, ClassAttributes attributes) =>
        TrainingDigest.Of(
            set.Extractor.Space.Key(),
            SHA256.HashData([
                .. Encoding.UTF8.GetBytes(
                    FormattableString.Invariant($"zero-shot {options.Penalty:r} {options.Seed}\n")
                        + string.Join(
                            '\n',
                            [.. set.Data.ClassNames, "", .. attributes.Classes, "", .. attributes.Names]
                        )
                ),
                .. Enumerable
                    .Range(0, attributes.Classes.Count)
                    .SelectMany(attributes.Of)
                    .SelectMany(BitConverter.GetBytes),
                .. set.Rows.Digests,
                .. set.Table.Labels.SelectMany(BitConverter.GetBytes),
            ])
        );
}

/// <summary>A classifier that knows classes without images.</summary>
public sealed record ZeroShotSummary
{
    /// <summary>Labelled images used.</summary>
    public required int Images { get; init; }

    /// <summary>All classes.</summary>
    public required IReadOnlyList<string> Classes { get; init; }

    /// <summary>Those that are only described.</summary>
    public required IReadOnlyList<string> Described { get; init; }

    /// <summary>The attributes.</summary>
    public required IReadOnlyList<string> Attributes { get; init; }

    /// <summary>Id of the backbone.</summary>
    public required string Backbone { get; init; }

    /// <summary>Names of the taps that features are taken from.</summary>
    public required IReadOnlyList<string> Taps { get; init; }

    /// <summary>What classes with images that were held out whole say.</summary>
    public required ZeroShotJudgement Judgement { get; init; }

    /// <summary>What the scores of classes with images lose.</summary>
    public required double Handicap { get; init; }

    /// <summary>What scores are then divided by.</summary>
    public required double Temperature { get; init; }

    /// <summary>The model file.</summary>
    public required string Model { get; init; }

    /// <summary>SHA-256 of the model file, hexadecimal.</summary>
    public required string ModelSha256 { get; init; }

    /// <summary>How far the written file agrees with the head, on images that were trained on.</summary>
    public required ParityRecord Parity { get; init; }

    /// <summary>What a reader of the figures should know.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Images that could not be used, and why.</summary>
    public required IReadOnlyList<RejectedItem> Rejected { get; init; }

    /// <summary>The options of the run; in JSON the request that <see cref="JobRequest.FromJson"/> reads.</summary>
    [JsonConverter(typeof(RequestConverter<ZeroShotOptions>))]
    public required ZeroShotOptions Options { get; init; }

    /// <summary>The command line that asked for the run; null where none did.</summary>
    public string? Command { get; init; }

    /// <summary>SHA-256 over all that training depended on, hexadecimal.</summary>
    public required string TrainingDigest { get; init; }

    /// <summary>Wall time.</summary>
    public required double Seconds { get; init; }
}
