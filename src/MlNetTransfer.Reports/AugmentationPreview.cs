using System.Security.Cryptography;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Reports;

/// <summary>
/// A few images as a training of the network saw them: the very tensors of the training, as pixels again.
/// </summary>
internal sealed class AugmentationPreview
{
    /// <summary>Images.</summary>
    public const int Images = 4;

    /// <summary>Variations of each.</summary>
    public const int Draws = 5;

    private const int Tried = 4 * Images;

    /// <summary>Share of the bytes for all pictures of a page that these may take.</summary>
    private const int Share = 4;

    private readonly List<(EvaluatedItem Image, IReadOnlyList<string> Pictures)> rows = [];

    private AugmentationPreview(AugmentationPreset preset) => Preset = preset;

    /// <summary>How the images were varied.</summary>
    public AugmentationPreset Preset { get; }

    /// <summary>Each image with its pictures as data URIs: as it is, then its variations.</summary>
    public IReadOnlyList<(EvaluatedItem Image, IReadOnlyList<string> Pictures)> Rows => rows;

    /// <summary>Pictures there are.</summary>
    public int Count => rows.Sum(row => row.Pictures.Count);

    /// <summary>Bytes of all of them as the page has them.</summary>
    public int Bytes => rows.Sum(row => row.Pictures.Sum(picture => picture.Length));

    /// <summary>Makes them; none where no network was trained, or on images that did not vary.</summary>
    public static AugmentationPreview Of(
        FinishedRun run,
        HtmlReportOptions options,
        ImageLimits limits,
        CancellationToken cancellation
    )
    {
        TrainOptions? request = run.Document.Training is null ? null : run.Document.Request();
        return request is null || run.Preprocessing is not { } preprocessing
            ? new AugmentationPreview(AugmentationPreset.None)
            : Of(run.Images, preprocessing, request.FineTune.Augmentation, request.Seed, options, limits, cancellation);
    }

    /// <summary>Makes them.</summary>
    /// <param name="images">The images to choose from.</param>
    /// <param name="preprocessing">Size and framing of what the network sees.</param>
    /// <param name="preset">How images are varied.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="options">How much room and time there is.</param>
    /// <param name="limits">What an image may cost.</param>
    /// <param name="cancellation">Ends the work between two pictures.</param>
    public static AugmentationPreview Of(
        IReadOnlyList<EvaluatedItem> images,
        Preprocessing preprocessing,
        AugmentationPreset preset,
        int seed,
        HtmlReportOptions options,
        ImageLimits limits,
        CancellationToken cancellation
    )
    {
        var made = new AugmentationPreview(preset);
        if (preset == AugmentationPreset.None)
            return made;
        using var reader = new ItemReader(limits);
        using var plain = new ImageAugmenter(preprocessing, new AugmentationOptions(), limits);
        using var varied = new ImageAugmenter(preprocessing, AugmentationOptions.Of(preset), limits);
        using var small = new ThumbnailDecoder(ThumbnailShelf.Side, limits);
        var tensor = new float[preprocessing.TensorLength];
        long started = options.Clock.GetTimestamp();
        foreach (EvaluatedItem image in Chosen(images))
        {
            bool late = options.Clock.GetElapsedTime(started).TotalSeconds > options.MaxSeconds;
            if (late || made.rows.Count == Images || made.Count + Draws + 1 > options.MaxThumbnails)
                break;
            try
            {
                byte[] encoded = reader.Read(new DataItem(image.Location!, image.File)).ToArray();
                byte[] digest = SHA256.HashData(encoded);
                string[] pictures = [.. Enumerable.Range(0, Draws + 1).Select(draw => Picture(encoded, digest, draw))];
                if (made.Bytes + pictures.Sum(picture => picture.Length) > options.MaxThumbnailBytes / Share)
                    break;
                made.rows.Add((image, pictures));
            }
            catch (ImageRejectedException)
            {
                // Moved, changed or deleted since the run: others are shown.
            }
        }

        return made;

        string Picture(byte[] encoded, byte[] digest, int draw)
        {
            cancellation.ThrowIfCancellationRequested();
            // The number is the epoch's: these are what the first epochs saw.
            (draw == 0 ? plain : varied).Process(
                encoded,
                AugmentationDraw.Of(seed, digest, draw),
                tensor,
                cancellation
            );
            byte[] whole = RgbEncoder.Encode(Pixels(tensor, preprocessing), ImageFormat.Png);
            return ThumbnailShelf.DataUri(small.Decode(whole, cancellation));
        }
    }

    /// <summary>A tensor [3 × height × width] as the pixels that it was made of.</summary>
    internal static RgbImage Pixels(ReadOnlySpan<float> tensor, Preprocessing preprocessing)
    {
        (int width, int height) = preprocessing.Shape;
        int plane = width * height;
        float[] mean = [preprocessing.Mean.Red, preprocessing.Mean.Green, preprocessing.Mean.Blue],
            std = [preprocessing.Std.Red, preprocessing.Std.Green, preprocessing.Std.Blue];
        var pixels = new byte[3 * plane];
        for (int channel = 0; channel < 3; channel++)
        for (int i = 0; i < plane; i++)
        {
            float shade = 255 * (tensor[channel * plane + i] * std[channel] + mean[channel]);
            pixels[3 * i + channel] = (byte)Math.Clamp(MathF.Round(shade), 0, 255);
        }

        return new RgbImage(width, height, pixels);
    }

    /// <summary>
    /// One image of each class in turn, classes and images by name; more than are shown, since some may be gone.
    /// </summary>
    private static IEnumerable<EvaluatedItem> Chosen(IReadOnlyList<EvaluatedItem> images)
    {
        EvaluatedItem[] there = [.. images.Where(image => image.Location is not (null or TextLocation))];
        EvaluatedItem[][] classes =
        [
            .. there
                .GroupBy(image => image.Truth, StringComparer.Ordinal)
                .OrderBy(group => group.Key, StringComparer.Ordinal)
                .Select(group => group.OrderBy(image => image.File, StringComparer.Ordinal).Take(Images).ToArray()),
        ];
        // Of many classes some from the whole list, not the first of the alphabet.
        int step = Math.Max(1, classes.Length / Images);
        return Enumerable
            .Range(0, Images)
            .SelectMany(turn => classes.Where((_, c) => c % step == 0).Where(c => turn < c.Length).Select(c => c[turn]))
            .Take(Tried);
    }
}
