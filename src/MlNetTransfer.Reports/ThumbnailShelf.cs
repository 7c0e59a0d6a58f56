using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Reports;

/// <summary>
/// The small pictures of a page, made once each in the order in which they are asked for, until the page would grow too
/// large or take too long.
/// </summary>
internal sealed class ThumbnailShelf
{
    /// <summary>Pixels of the longer side.</summary>
    public const int Side = 96;

    private const int Quality = 72;

    private readonly Dictionary<string, string> pictures = new(StringComparer.Ordinal);

    /// <summary>Images that were asked for and have none, since there was no room or no time.</summary>
    public int LeftOut { get; private set; }

    /// <summary>Images that could not be decoded now.</summary>
    public int Unreadable { get; private set; }

    /// <summary>Pictures there are.</summary>
    public int Count => pictures.Count;

    /// <summary>The picture of an image as a data URI; null where there is none.</summary>
    /// <param name="file">The image.</param>
    public string? Of(string file) => pictures.GetValueOrDefault(file);

    /// <summary>Makes the pictures.</summary>
    /// <param name="images">The images, the most instructive first; no texts.</param>
    /// <param name="options">How many, how large and how long.</param>
    /// <param name="limits">What an image may cost.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    public static ThumbnailShelf Of(
        IEnumerable<DataItem> images,
        HtmlReportOptions options,
        ImageLimits limits,
        CancellationToken cancellation
    )
    {
        var shelf = new ThumbnailShelf();
        DataItem[] wanted = [.. images.DistinctBy(i => i.Name)];
        long started = options.Clock.GetTimestamp();
        int room = options.MaxThumbnailBytes,
            next = 0;
        // A few at a time, so that the order decides what is left out and not the speed of a worker.
        int together = 4 * Environment.ProcessorCount;
        while (
            next < Math.Min(wanted.Length, options.MaxThumbnails)
            && room > 0
            && options.Clock.GetElapsedTime(started).TotalSeconds < options.MaxSeconds
        )
        {
            DataItem[] some = wanted[next..Math.Min(wanted.Length, Math.Min(options.MaxThumbnails, next + together))];
            foreach ((DataItem image, string? picture) in some.Zip(Make(some, limits, cancellation)))
            {
                if (picture is null)
                    shelf.Unreadable++;
                else if ((room -= picture.Length) >= 0)
                    shelf.pictures[image.Name] = picture;
            }

            next += some.Length;
        }

        shelf.LeftOut = wanted.Length - shelf.Count - shelf.Unreadable;
        return shelf;
    }

    /// <summary>A picture as a data URI.</summary>
    public static string DataUri(RgbImage image) =>
        $"data:image/webp;base64,{Convert.ToBase64String(RgbEncoder.Encode(image, ImageFormat.WebP, Quality))}";

    private static string?[] Make(DataItem[] images, ImageLimits limits, CancellationToken cancellation)
    {
        var made = new string?[images.Length];
        Parallel.For(
            0,
            images.Length,
            new ParallelOptions { CancellationToken = cancellation },
            () => (Reader: new ItemReader(limits), Decoder: new ThumbnailDecoder(Side, limits)),
            (i, _, worker) =>
            {
                try
                {
                    made[i] = DataUri(worker.Decoder.Decode(worker.Reader.Read(images[i]), cancellation));
                }
                catch (ImageRejectedException)
                {
                    // Moved, changed or deleted since the run: the page says how many.
                }

                return worker;
            },
            worker =>
            {
                worker.Reader.Dispose();
                worker.Decoder.Dispose();
            }
        );
        return made;
    }
}
