using System.Numerics.Tensors;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Jobs;

/// <summary>An export to make. Immutable; an invalid instance cannot be made.</summary>
public sealed record ExportOptions : DataJobRequest
{
    /// <summary>The model.onnx of a training run.</summary>
    public required string Model
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>Name of the format; see <see cref="ExportFormats"/>.</summary>
    public required string Format
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// Images to check the export on: files, folders, .zip archives and lists, as for <see cref="PredictJob"/>.
    /// </summary>
    public required IReadOnlyList<string> Images
    {
        get;
        init => field = Names.Of(value);
    }

    /// <summary>Most images to check on, evenly spread over those given; in [1, 100000]. Default 64.</summary>
    public int MaxImages
    {
        get;
        init => field = Check.InRange(value, 1, 100_000);
    } = ModelWriter.ParityImages;

    /// <summary>
    /// Images that a format is fitted to (int8); at most <see cref="Int8Options.CalibrationImages"/> are used, evenly
    /// spread. Where none are given, <see cref="Images"/> are divided, class by class, by the seed of
    /// <see cref="Quantization"/>: half of them or <see cref="MaxImages"/>, if that is less, check the export, and it
    /// is fitted to the others.
    /// </summary>
    public IReadOnlyList<string> CalibrationImages
    {
        get;
        init => field = Names.Of(value);
    } = Names.Of([]);

    /// <summary>How int8 is made, and what it may lose.</summary>
    public Int8Options Quantization { get; init; } = new();

    /// <summary>The file to write; null for the format's name beside the model.</summary>
    public string? Output { get; init; }

    /// <summary>
    /// The column of lists that has texts, for a model of texts. Default null: lists name files. With it, all of
    /// <see cref="Images"/> are lists.
    /// </summary>
    public string? TextColumn
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>Whether files that are there may be replaced. Default false.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Largest difference in probability to accept, in [0, 1]; null for the format's own.</summary>
    public double? AllowDrift
    {
        get;
        init => field = value is { } drift ? Check.InRange(drift, 0, 1) : null;
    }

    /// <summary>Whether an ONNX export gives the features too. Default false.</summary>
    public bool WithFeatures { get; init; }

    /// <summary>Whether an ONNX export gives the calibrated logits too. Default false.</summary>
    public bool WithLogits { get; init; }

    /// <summary>
    /// Bytes of weights above which they lie beside an .onnx file, 0 or more; null for what one file can hold.
    /// </summary>
    public long? ExternalDataAbove
    {
        get;
        init => field = value is { } bytes ? Check.InRange(bytes, 0, long.MaxValue) : null;
    }

    /// <summary>Namespace of the class for TorchSharp, for example Acme.Vision. Default null: none.</summary>
    public string? Namespace
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// The names that weights have in a .safetensors. Default null: <see cref="Models.Exports.WeightNames.Onnx"/>.
    /// </summary>
    public WeightNames? WeightNames { get; init; }

    /// <inheritdoc/>
    public override ExportJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>
/// Writes a trained model in another form, once that has shown on real images that it agrees with the evaluated model.
/// </summary>
/// <param name="options">The export.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class ExportJob(ExportOptions options, JobServices? services = null) : IJob<ExportSummary>
{
    private readonly TimeProvider clock = (services ?? JobServices.Default).Clock;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is.</param>
    /// <param name="cancellation">Ends the job; no file is touched.</param>
    /// <exception cref="TransferException">The model, the images or the output are not as they have to be, or the
    /// export is too far off; the message names it and the fix.</exception>
    /// <exception cref="GraphException">The model cannot be read, or an operator cannot be converted; the message names
    /// it.</exception>
    public ExportSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = clock.GetTimestamp();
        IExportFormat format = ExportFormats.Get(options.Format);
        string path =
            options.Output ?? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(options.Model))!, format.FileName);
        ExportWriter.RequireFree(path, options.Overwrite);
        if (options.CalibrationImages.Count > 0 && !format.IsFitted)
            throw Without("--calibration-images are for formats that are fitted to images", f => f.IsFitted);
        if (options.Namespace is not null && !format.HasNamespace)
            throw Without("--namespace is for formats that are code", f => f.HasNamespace);
        if (options.WeightNames is not null && !format.HasNames)
            throw Without("--names is for formats of weights alone", f => f.HasNames);
        if (options.Images.Count == 0)
            throw new TransferException(
                "An export is checked on real images, and none were given. Give some that the model was made for, "
                    + "e.g. --images FOLDER: a folder, a list, a .zip or image files."
            );

        OnnxModel onnx = OnnxModel.Load(options.Model);
        var request = new ExportRequest(options.Model, onnx)
        {
            WithFeatures = options.WithFeatures,
            WithLogits = options.WithLogits,
            ExternalDataAbove = options.ExternalDataAbove,
            Namespace = options.Namespace,
            Names = options.WeightNames ?? Models.Exports.WeightNames.Onnx,
            Quantization = options.Quantization,
            Limits = options.Limits,
        };
        RequireContent(format, request.Metadata.Encoder);
        TextColumns.Require(request.Metadata.Encoder, options.TextColumn, [], "The model");
        (IReadOnlyList<DataItem> all, IReadOnlyList<RejectedItem> passedOver) = ImageInputs.Of(
            options.Images,
            options.TextColumn
        );
        bool divided = format.IsFitted && options.CalibrationImages.Count == 0;
        DataItem[] items = Spread(all, options.MaxImages + (divided ? options.Quantization.CalibrationImages : 0));
        if (items.Length == 0)
            throw new TransferException(
                $"There are no images in {string.Join(", ", options.Images)}. An export is checked on real images: "
                    + $"give some that the model was made for."
            );
        using TransferModel model = TransferModel.Load(
            options.Model,
            options.Limits,
            ExecutionPlan.For(ExecutionProvider.Cpu, options.Workers)
        );
        var parity = new ExportParity(model, options.Limits);
        (ParitySample sample, IReadOnlyList<RejectedItem> rejected) = parity.Expect(items, progress, cancellation);
        int classes = model.ClassNames.Count;
        DataItem[] calibration = [];
        if (divided)
            (calibration, sample) = Divide(sample, model.ClassNames);
        else if (format.IsFitted)
        {
            (ParitySample others, IReadOnlyList<RejectedItem> unusable) = parity.Expect(
                Others(items),
                progress,
                cancellation
            );
            (calibration, rejected) = (Labelled(others, classes), [.. rejected, .. unusable]);
        }

        IExport export = format.Convert(
            request with
            {
                Images = Labelled(sample, classes),
                Calibration = calibration,
            },
            progress,
            cancellation
        );
        (ExportRecord record, IReadOnlyList<ExportedFile> files) = new ExportWriter(format, parity).Write(
            export,
            path,
            sample,
            options.AllowDrift,
            options.Overwrite,
            format.IsFitted ? Math.Min(calibration.Length, options.Quantization.CalibrationImages) : null,
            progress,
            cancellation
        );
        return new ExportSummary(
            format.Name,
            files,
            record,
            [.. passedOver, .. rejected],
            clock.GetElapsedTime(started).TotalSeconds
        );
    }

    /// <summary>The error of an option that the format has no use for.</summary>
    private TransferException Without(string said, Func<IExportFormat, bool> takes) =>
        new(
            $"{said} ({string.Join(", ", ExportFormats.All.Where(takes).Select(f => f.Name))}), not for "
                + $"{options.Format}. Leave it out."
        );

    private static void RequireContent(IExportFormat format, ContentEncoder encoder)
    {
        if (encoder is ImageEncoder || format.TakesAnyContent)
            return;
        IEnumerable<string> others = ExportFormats.All.Where(f => f.TakesAnyContent).Select(f => f.Name);
        throw new TransferException(
            $"The {format.Name} format is for models of images; this one takes {encoder.Kind.Label}. Take "
                + $"--format {string.Join(" or ", others)}."
        );
    }

    /// <summary>Some of the images of each class to fit to, others to check on.</summary>
    private (DataItem[] Calibration, ParitySample Held) Divide(ParitySample sample, IReadOnlyList<string> classNames)
    {
        int classes = classNames.Count;
        DataItem[] labelled = Labelled(sample, classes);
        double share = Math.Clamp(options.MaxImages / (double)labelled.Length, 0.01, 0.5);
        int[] labels = [.. labelled.Select(i => i.Label)];
        TrainTestRows split = StratifiedSplit.TrainTest(
            labels,
            share,
            options.Quantization.Seed,
            classNames,
            sample.Digests
        );
        if (split.Test.Count == 0)
            throw new TransferException(
                $"{labelled.Length} usable images are too few to fit the {options.Format} export to some and to "
                    + $"check it on others of the same classes. Give more images; some hundreds are best."
            );
        return (
            [.. split.Train.Select(r => labelled[r])],
            new ParitySample(
                [.. split.Test.Select(r => labelled[r])],
                [.. split.Test.SelectMany(r => sample.Probabilities[(r * classes)..((r + 1) * classes)])]
            )
        );
    }

    /// <summary>The calibration images that are not among those checked on.</summary>
    private DataItem[] Others(DataItem[] items)
    {
        HashSet<string> judged = [.. items.Select(Own)];
        DataItem[] others =
        [
            .. ImageInputs.Of(options.CalibrationImages, options.TextColumn).Items.Where(i => !judged.Contains(Own(i))),
        ];
        if (others.Length == 0)
            throw new TransferException(
                $"There are no images in {string.Join(", ", options.CalibrationImages)} but those of --images. Give "
                    + $"others, or leave --calibration-images out: then --images are divided."
            );
        return Spread(others, options.Quantization.CalibrationImages);
    }

    /// <summary>What an item has for itself: two lists call their texts by the same lines.</summary>
    private static string Own(DataItem item) =>
        item.Location is TextLocation text ? text.Text : Path.GetFullPath(item.Name);

    /// <summary>The images with the classes that the model gives them.</summary>
    private static DataItem[] Labelled(ParitySample sample, int classes) =>
        [
            .. sample.Items.Select(
                (item, i) =>
                    item with
                    {
                        Label = TensorPrimitives.IndexOfMax(sample.Probabilities.AsSpan(i * classes, classes)),
                    }
            ),
        ];

    /// <summary>At most so many, evenly spread: images often come class by class.</summary>
    private static DataItem[] Spread(IReadOnlyList<DataItem> all, int most)
    {
        int count = Math.Min(all.Count, most);
        return [.. Enumerable.Range(0, count).Select(i => all[(int)((long)i * all.Count / count)])];
    }
}

/// <summary>What an export wrote and how far it agrees with the evaluated model.</summary>
/// <param name="Format">Name of the format.</param>
/// <param name="Files">The files, the first being the export itself.</param>
/// <param name="Parity">How far it agrees, as recorded in the file.</param>
/// <param name="Rejected">Images that it was not checked on, and why.</param>
/// <param name="Seconds">Wall time of the whole job in seconds.</param>
public sealed record ExportSummary(
    string Format,
    IReadOnlyList<ExportedFile> Files,
    ExportRecord Parity,
    IReadOnlyList<RejectedItem> Rejected,
    double Seconds
);
