using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Runtime;

namespace MlNetTransfer.Models.Exports;

/// <summary>Compares a written export with the evaluated model, image by image.</summary>
/// <param name="model">The evaluated model.</param>
/// <param name="limits">What an image may cost.</param>
public sealed class ExportParity(TransferModel model, ImageLimits? limits = null)
{
    private readonly ImageLimits limits = limits ?? new ImageLimits();

    /// <summary>What the evaluated model says of images, and which it can use.</summary>
    /// <param name="items">The images.</param>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <returns>The usable images with their probabilities, and the others.</returns>
    /// <exception cref="TransferException">None of the images can be used.</exception>
    public (ParitySample Sample, IReadOnlyList<RejectedItem> Rejected) Expect(
        IReadOnlyList<DataItem> items,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ItemRows answers = model.Answer(items, "Scoring with the model", progress, cancellation),
            rows = AnswerRows.Probabilities(answers, model.ClassNames.Count);
        if (rows.Accepted.Length == 0)
            throw new TransferException(
                $"None of the {items.Count} images can be used, e.g. {rows.Rejected[0].File}: "
                    + $"{rows.Rejected[0].Reason}. Give images that the model was made for."
            );
        return (
            new ParitySample([.. rows.Accepted.Select(i => items[i])], rows.Values)
            {
                Digests = rows.Digests,
                Unknown = AnswerRows.Unknown(answers, model.ClassNames.Count),
            },
            rows.Rejected
        );
    }

    /// <summary>Scores the images with a written file.</summary>
    /// <param name="export">The written file, opened.</param>
    /// <param name="sample">The images and what was evaluated.</param>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <exception cref="TransferException">An image that the model could use is rejected.</exception>
    public ParityRecord Measure(
        IExportScorer export,
        ParitySample sample,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        int classes = model.ClassNames.Count;
        var found = new float[sample.Probabilities.Length];
        List<float> unknown = [];
        using var reader = new ItemReader(limits);
        for (int i = 0; i < sample.Items.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                export.Score(reader.Read(sample.Items[i]), found.AsSpan(i * classes, classes));
                if (export.Unknown is { } score)
                    unknown.Add(score);
            }
            catch (ImageRejectedException e)
            {
                throw new TransferException(
                    $"The export could not be checked: {sample.Items[i].Name} was readable before and is not any "
                        + $"more ({e.Reason}). Run again when the images do not change.",
                    e
                );
            }

            progress?.Report(new JobProgress("Scoring with the export", i + 1, sample.Items.Count));
        }

        // A number that is not finite is as far off as can be; NaN would pass every comparison.
        for (int i = 0; i < found.Length; i++)
            if (!float.IsFinite(found[i]))
                throw new TransferException(
                    string.Create(
                        System.Globalization.CultureInfo.InvariantCulture,
                        $"The export gives {found[i]} for {sample.Items[i / classes].Name}. A value inside it is "
                            + $"beyond its number format; export it in another."
                    )
                );
        return ParityRecord.Of(sample.Probabilities, found, classes) with
        {
            UnknownDifference =
                unknown.Count > 0 && unknown.Count == sample.Unknown.Length
                    ? ParityRecord.Scores(sample.Unknown, unknown)
                    : null,
        };
    }
}

/// <summary>What an export was compared by.</summary>
public enum ExportCheck
{
    /// <summary>The written file itself was run.</summary>
    File,

    /// <summary>
    /// The weights were read back from the written file and run in the graph that they came from; running the file
    /// takes another framework.
    /// </summary>
    Weights,
}

/// <summary>
/// Writes an export that has shown how far it agrees with the evaluated model; one that is too far off is never kept.
/// </summary>
/// <param name="format">The format.</param>
/// <param name="parity">What it is compared with.</param>
public sealed class ExportWriter(IExportFormat format, ExportParity parity)
{
    /// <summary>
    /// Writes beside the target, reads back, checks on real images, writes the record into the file, then takes the
    /// target's name.
    /// </summary>
    /// <param name="export">The converted model.</param>
    /// <param name="path">The file. Its folder is made where it is missing.</param>
    /// <param name="sample">Images and what was evaluated for them.</param>
    /// <param name="allowDrift">Largest difference in probability to accept instead of the format's own; null for
    /// that.</param>
    /// <param name="overwrite">Whether a file that is there may be replaced.</param>
    /// <param name="calibrationImages">Images that the export was fitted to, for the record; null where it was fitted
    /// to none.</param>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the work; no file is touched.</param>
    /// <returns>The record, and the files written, the first being the one that was asked for.</returns>
    /// <exception cref="TransferException">The file is too far off, exists, or cannot be written; whatever was there
    /// before stays.</exception>
    public (ExportRecord Record, IReadOnlyList<ExportedFile> Files) Write(
        IExport export,
        string path,
        ParitySample sample,
        double? allowDrift = null,
        bool overwrite = false,
        int? calibrationImages = null,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        RequireFree(path, overwrite);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!,
            staging = Path.Combine(
                folder,
                FormattableString.Invariant($".{Path.GetFileName(path)}.{Guid.NewGuid():N}.unverified")
            );
        try
        {
            Directory.CreateDirectory(folder);
            using OutputLock held = OutputLock.OfFile(path);
            Directory.CreateDirectory(staging);
            string staged = Path.Combine(staging, Path.GetFileName(path));
            export.Save(staged, null);
            ParityRecord found;
            using (IExportScorer scorer = export.Open(staged))
                found = parity.Measure(scorer, sample, progress, cancellation);
            double tolerance = allowDrift ?? format.Tolerance;
            if (found.MaxDifference > tolerance)
                throw TooFar(path, found, tolerance);
            double ofUnknown = Math.Max(tolerance, ParityRecord.UnknownTolerance);
            if (found.UnknownDifference is { } unknown && !(unknown <= ofUnknown))
                throw TooFarUnknown(path, unknown, ofUnknown);
            foreach (string trial in Directory.GetFiles(staging))
                File.Delete(trial);
            var record = new ExportRecord(
                format.Name,
                found.Images,
                found.MaxDifference,
                found.MeanDifference,
                found.LabelFlips,
                tolerance,
                allowDrift is not null,
                format.Check,
                calibrationImages
            )
            {
                UnknownDifference = found.UnknownDifference,
            };
            export.Save(staged, record);
            cancellation.ThrowIfCancellationRequested();
            return (record, Take(staging, folder, Path.GetFileName(path), overwrite));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"'{path}' cannot be written: {e.Message} Check the folder's permissions and the disk, or give "
                    + $"another --output.",
                e
            );
        }
        finally
        {
            if (Directory.Exists(staging))
                Directory.Delete(staging, recursive: true);
        }
    }

    /// <summary>Refuses a path that is taken, before any work.</summary>
    internal static void RequireFree(string path, bool overwrite)
    {
        if (Directory.Exists(path))
            throw new TransferException($"'{path}' is a folder. Give the name of a file.");
        if (!overwrite && File.Exists(path))
            throw new TransferException($"'{path}' exists. Give another name, or --overwrite to replace it.");
    }

    private TransferException TooFar(string path, ParityRecord found, double tolerance) =>
        new(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"'{path}' was not written: on {found.Images} images the {format.Name} export differs from the "
                    + $"evaluated model by up to {found.MaxDifference:g3} in probability (mean "
                    + $"{found.MeanDifference:g3}, {found.LabelFlips} of {found.Images} labels differ); at most "
                    + $"{tolerance:g3} was expected. {Clipped}Use another format, or accept it with --allow-drift "
                    + $"{found.MaxDifference:g2}, which is recorded in the file."
            )
        );

    /// <summary>What this CPU may have to do with it; empty where nothing.</summary>
    private string Clipped =>
        format is Int8Format && ByteKernels.MayClip
            ? "This CPU has no VNNI instructions and clips sums of 8-bit weights, as hosts of the file on such CPUs "
                + "would, unless it is made with --weight-bits seven. "
            : "";

    private TransferException TooFarUnknown(string path, double difference, double tolerance) =>
        new(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"'{path}' was not written: the scores of unknown images of the {format.Name} export differ from the "
                    + $"evaluated model's by up to {difference:g3}, where 1 is the threshold; at most {tolerance:g3} "
                    + $"was expected. Use another format, or accept it with --allow-drift {difference:g2}, which is "
                    + $"recorded in the file."
            )
        );

    /// <summary>Moves what lies beside the file first: the file that names it appears when it is complete.</summary>
    private static ExportedFile[] Take(string staging, string folder, string name, bool overwrite)
    {
        string[] names =
        [
            name,
            .. Directory
                .GetFiles(staging)
                .Select(f => Path.GetFileName(f)!)
                .Where(n => n != name)
                .Order(StringComparer.Ordinal),
        ];
        foreach (string each in names)
            RequireFree(Path.Combine(folder, each), overwrite);
        ExportedFile[] files =
        [
            .. names.Select(each => Describe(Path.Combine(staging, each), Path.Combine(folder, each))),
        ];
        foreach (string each in names.Reverse())
            File.Move(Path.Combine(staging, each), Path.Combine(folder, each), overwrite);
        return files;
    }

    private static ExportedFile Describe(string staged, string path) =>
        new(path, new FileInfo(staged).Length, FileDigest.Of(staged));
}

/// <summary>Scores images with a written file as its user would. Not thread-safe.</summary>
public interface IExportScorer : IDisposable
{
    /// <summary>Scores one image.</summary>
    /// <param name="encoded">The bytes of an image file.</param>
    /// <param name="probabilities">Receives [classes].</param>
    /// <exception cref="ImageRejectedException">The image cannot be decoded.</exception>
    void Score(ReadOnlySpan<byte> encoded, Span<float> probabilities);

    /// <summary>How unknown the image is that was scored last; null where the file does not say.</summary>
    float? Unknown => null;
}

/// <summary>Scores items with an ONNX file: encoded, or only decoded where the file takes pixels.</summary>
internal sealed class OnnxScorer : IExportScorer
{
    private static readonly OrtSettings Settings = OrtSettings.Default with
    {
        Log = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
    };

    private readonly OrtSession session;
    private readonly EncoderWorker encoder;
    private readonly RgbDecoder decoder;
    private readonly RowTensor row;
    private readonly int classes;
    private readonly bool takesPixels;
    private readonly string[] outputs;

    /// <summary>From the file, so that weights beside it are read as its user reads them.</summary>
    public OnnxScorer(string path, ModelMetadata metadata, ImageLimits limits)
        : this(() => new OrtSession(path, Settings, "the export"), metadata, limits) { }

    /// <summary>From a model in memory.</summary>
    public OnnxScorer(OnnxModel model, ModelMetadata metadata, ImageLimits limits)
        : this(() => new OrtSession(model.ToBytes(), Settings, "the export"), metadata, limits) { }

    private OnnxScorer(Func<OrtSession> open, ModelMetadata metadata, ImageLimits limits)
    {
        classes = metadata.Labels.Count;
        try
        {
            session = open();
        }
        catch (GraphException e) when (OrtSession.Said(e) is not null)
        {
            throw new TransferException(e.Message, e);
        }

        (encoder, decoder) = (metadata.Encoder.CreateWorker(limits), new RgbDecoder(limits));
        row = metadata.Encoder.Inputs.Single().Rows(session.Inputs.Keys.Single(), 1);
        outputs = session.Outputs.ContainsKey(TransferModel.UnknownOutput)
            ? [TransferModel.ProbabilitiesOutput, TransferModel.UnknownOutput]
            : [TransferModel.ProbabilitiesOutput];
        takesPixels = session.Inputs.Values.Single().ElementDataType == TensorElementType.UInt8;
    }

    public float? Unknown { get; private set; }

    public void Score(ReadOnlySpan<byte> encoded, Span<float> probabilities)
    {
        using OrtValue item = takesPixels ? Pixels(decoder.Decode(encoded)) : Tensor(encoded);
        try
        {
            using IDisposableReadOnlyCollection<OrtValue> results = session.Run(
                new Dictionary<string, OrtValue> { [row.Name] = item },
                outputs
            );
            ReadOnlySpan<float> found = results[0].GetTensorDataAsSpan<float>();
            if (found.Length != classes)
                throw new TransferException(
                    $"The export gives {found.Length} probabilities for an item; {classes} were expected."
                );
            found.CopyTo(probabilities);
            Unknown = outputs.Length > 1 ? results[1].GetTensorDataAsSpan<float>()[0] : null;
        }
        catch (Exception e) when (OrtSession.Said(e) is { } said)
        {
            throw new TransferException($"The export cannot be run: {said}", e);
        }
    }

    public void Dispose()
    {
        session.Dispose();
        encoder.Dispose();
        decoder.Dispose();
    }

    private OrtValue Tensor(ReadOnlySpan<byte> encoded)
    {
        encoder.Encode(encoded, new EncodedItem([row], 0));
        return row.First(1);
    }

    private static OrtValue Pixels(RgbImage image) =>
        OrtValue.CreateTensorValueFromMemory(image.Pixels.ToArray(), [1, image.Height, image.Width, 3]);
}
