using System.Globalization;
using System.Text;
using MlNetTransfer.Datasets;
using MlNetTransfer.Explain;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Jobs;

/// <summary>Images in which to show where a model looks. Immutable; an invalid instance cannot be made.</summary>
public sealed record ExplainOptions : DataJobRequest
{
    /// <summary>The model file.</summary>
    public required string Model
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>Image files, folders, .zip archives and lists; see <see cref="DatasetReader"/>.</summary>
    public required IReadOnlyList<string> Images
    {
        get;
        init => field = Names.Of(value, least: 1);
    }

    /// <summary>
    /// Folder for the pictures and explanations.csv, not the name of a file such as one.html; made where it is missing.
    /// </summary>
    public required string Output
    {
        get;
        init =>
            field = Path.GetExtension(Check.NotEmpty(value)).ToLowerInvariant()
                is not (".html" or ".png" or ".csv" or ".jpg")
                ? value
                : throw new ArgumentException(
                    $"Output is '{value}', the name of a file; expected a folder, for several files.",
                    nameof(Output)
                );
    }

    /// <summary>The class whose evidence is wanted. Default null: of each image the one that the model names.</summary>
    public string? Class
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>How to find out. Default <see cref="ExplainMethod.Auto"/>.</summary>
    public ExplainMethod Method { get; init; }

    /// <summary>Pixels of the longer side of a picture, in [32, 2048]; images are not enlarged. Default 512.</summary>
    public int Side
    {
        get;
        init => field = Check.InRange(value, 32, 2048);
    } = 512;

    /// <inheritdoc/>
    public override ExplainJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>Lays over each image where a model sees a class, as a PNG, and writes a table of them.</summary>
/// <param name="options">What to explain.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class ExplainJob(ExplainOptions options, JobServices? services = null) : IJob<ExplainSummary>
{
    private readonly TimeProvider clock = (services ?? JobServices.Default).Clock;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the job between two images; pictures that are written stay.</param>
    /// <exception cref="TransferException">The model cannot be explained so, has no such class, or the folder cannot be
    /// written to; the message names it and the fix.</exception>
    public ExplainSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = clock.GetTimestamp();
        OutputFolder.RequireWritable(options.Output);
        OutputLock.MakeFolder(options.Output);
        using Explainer explainer = Explainer.Open(options.Model, options.Method, options.Limits);
        int? label = options.Class is { } name ? LabelOf(explainer, name) : null;
        (IReadOnlyList<DataItem> items, IReadOnlyList<RejectedItem> passedOver) = ImageInputs.Of(options.Images);
        using var reader = new ItemReader(options.Limits);
        using var decoder = new ThumbnailDecoder(options.Side, options.Limits);
        List<ExplainedImage> explained = [];
        List<RejectedItem> rejected = [.. passedOver];
        for (int i = 0; i < items.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                ReadOnlySpan<byte> encoded = reader.Read(items[i]);
                Explanation found = explainer.Explain(encoded, label, cancellation);
                RgbImage picture = found.Heatmap.Over(decoder.Decode(encoded, cancellation), explainer.Preprocessing);
                string file = FileName(i, items[i].Name);
                byte[] png = RgbEncoder.Encode(picture, ImageFormat.Png);
                AtomicFile.Write(Path.Combine(options.Output, file), stream => stream.Write(png));
                explained.Add(new ExplainedImage(items[i].Name, found.Label, found.Probability, found.Method, file));
            }
            catch (ImageRejectedException e)
            {
                rejected.Add(new RejectedItem(items[i].Name, e.Reason));
            }

            progress?.Report(new JobProgress("Explaining images", i + 1, items.Count));
        }

        string table = Path.Combine(options.Output, "explanations.csv");
        AtomicFile.Write(table, stream => stream.Write(Encoding.UTF8.GetBytes(Table(explained))));
        return new ExplainSummary(explained, rejected, clock.GetElapsedTime(started).TotalSeconds)
        {
            Fallback = explainer.Fallback,
            Table = table,
        };
    }

    private static int LabelOf(Explainer explainer, string name)
    {
        int label = explainer.ClassNames.ToList().IndexOf(name);
        return label >= 0
            ? label
            : throw new TransferException(
                $"The model has no class '{name}'; it has {explainer.ClassNames.Count}. Near names: "
                    + $"{string.Join(", ", NearestNames.Of(name, explainer.ClassNames).Select(n => $"'{n}'"))}."
            );
    }

    /// <summary>A number, so that no two images meet, and what of the name any file system takes.</summary>
    private static string FileName(int index, string name)
    {
        const int longest = 60;
        string stem = Path.GetFileNameWithoutExtension(name.Split('/', '\\')[^1]);
        string kept = new([
            .. stem.Take(longest).Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' ? c : '_'),
        ]);
        return string.Create(CultureInfo.InvariantCulture, $"{index + 1:d4}-{kept}.png");
    }

    private static string Table(IEnumerable<ExplainedImage> images)
    {
        var text = new StringBuilder("file,class,probability,method,picture\n");
        foreach (ExplainedImage image in images)
            text.Append(
                    CultureInfo.InvariantCulture,
                    $"{Quoted(image.File)},{Quoted(image.Label)},{image.Probability},"
                )
                .Append(
                    CultureInfo.InvariantCulture,
                    $"{image.Method.ToString().ToLowerInvariant()},{image.Picture}\n"
                );
        return text.ToString();
    }

    private static string Quoted(string text) =>
        text.AsSpan().IndexOfAny(",\"\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}

/// <summary>An image with the picture that shows where a class is seen in it.</summary>
/// <param name="File">The image.</param>
/// <param name="Label">The class.</param>
/// <param name="Probability">What the model says of it, in [0, 1].</param>
/// <param name="Method">How it was found out.</param>
/// <param name="Picture">The picture's name in the output folder.</param>
public sealed record ExplainedImage(string File, string Label, float Probability, ExplainMethod Method, string Picture);

/// <summary>Where a model looks in images.</summary>
/// <param name="Images">One per usable image, in the order given.</param>
/// <param name="Rejected">Images that were not used, and why.</param>
/// <param name="Seconds">Wall time of the whole job in seconds.</param>
public sealed record ExplainSummary(
    IReadOnlyList<ExplainedImage> Images,
    IReadOnlyList<RejectedItem> Rejected,
    double Seconds
)
{
    /// <summary>Why occlusion was taken instead of Grad-CAM; null where it was not.</summary>
    public string? Fallback { get; init; }

    /// <summary>The table that was written.</summary>
    public required string Table { get; init; }
}
