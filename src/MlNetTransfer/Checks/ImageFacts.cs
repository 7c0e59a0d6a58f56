using System.Security.Cryptography;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Checks;

/// <summary>What the pixels of an image say without a network. Immutable.</summary>
/// <param name="Width">Columns, upright.</param>
/// <param name="Height">Rows, upright.</param>
/// <param name="Grey">Shades of the image as 32 x 32 pixels [1024].</param>
/// <param name="Hash">Its perceptual hash; null where it is of nearly one shade, whose hash is of its noise.</param>
/// <param name="Dark">The shade that 1 % of its pixels are below, 0 to 255.</param>
/// <param name="Bright">The shade that 1 % of its pixels are above, 0 to 255.</param>
/// <param name="Sharpness">Variance of the Laplacian over variance of the shades; null where it is too small or too
/// flat to say.</param>
/// <param name="Pixels">The first half of SHA-256 of its pixels as 256 x 256.</param>
internal sealed record ImageFacts(
    int Width,
    int Height,
    byte[] Grey,
    ulong? Hash,
    int Dark,
    int Bright,
    double? Sharpness,
    UInt128 Pixels
)
{
    /// <summary>Mean difference of the shades of two images as 32 x 32 pixels, 0 to 255.</summary>
    public double Difference(ImageFacts other)
    {
        int sum = 0;
        for (int i = 0; i < Grey.Length; i++)
            sum += Math.Abs(Grey[i] - other.Grey[i]);
        return (double)sum / Grey.Length;
    }
}

/// <summary>Looks at one image after another. Not thread-safe: one per worker.</summary>
/// <remarks>
/// Each is looked at as 256 x 256 pixels, about what a network sees, so that a large photo that is soft at its full
/// size and sharp at that size is not called blurred. Smaller ones are judged at half or a quarter of that: an enlarged
/// image has no sharp edge.
/// </remarks>
internal sealed class ImageInspector : IDisposable
{
    private const int Side = 256,
        LeastSide = 64;

    /// <summary>Standard deviation of shades below which there is nothing to see but noise.</summary>
    private const double Flat = 5;

    private readonly ImagePreprocessor preprocessor;
    private readonly byte[] pixels = new byte[3 * Side * Side];
    private readonly byte[] shades = new byte[Side * Side];

    /// <param name="limits">What an image may cost.</param>
    public ImageInspector(ImageLimits limits) =>
        preprocessor = new ImagePreprocessor(new Preprocessing { Size = Side }, limits);

    /// <summary>Looks at many images.</summary>
    /// <param name="items">The images.</param>
    /// <param name="limits">What an image may cost.</param>
    /// <param name="workers">Images at the same time; the result does not depend on it.</param>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <returns>What was seen [items]; null where an image cannot be read.</returns>
    public static ImageFacts?[] InspectAll(
        IReadOnlyList<DataItem> items,
        ImageLimits limits,
        int workers,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        var facts = new ImageFacts?[items.Count];
        int done = 0;
        Parallel.For(
            0,
            items.Count,
            new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation },
            () => (Reader: new ItemReader(limits), Inspector: new ImageInspector(limits)),
            (i, _, own) =>
            {
                facts[i] = own.Inspector.TryInspect(own.Reader, items[i]);
                int count = Interlocked.Increment(ref done);
                progress?.Report(new JobProgress("Looking at the images", count, items.Count));
                return own;
            },
            own =>
            {
                own.Reader.Dispose();
                own.Inspector.Dispose();
            }
        );
        return facts;
    }

    /// <summary>Looks at one image.</summary>
    /// <param name="encoded">The bytes of the file.</param>
    /// <exception cref="ImageRejectedException">It cannot be read.</exception>
    public ImageFacts Inspect(ReadOnlySpan<byte> encoded)
    {
        ImageInfo header = ImageHeader.Read(encoded);
        (int width, int height) =
            header.Orientation >= 5 ? (header.Height, header.Width) : (header.Width, header.Height);
        preprocessor.ProcessToPixels(encoded, pixels);
        for (int i = 0; i < shades.Length; i++)
            shades[i] = (byte)((299 * pixels[3 * i] + 587 * pixels[3 * i + 1] + 114 * pixels[3 * i + 2] + 500) / 1000);
        byte[] small = Reduced(shades, Side, PerceptualHash.Side);
        bool seen = Math.Sqrt(Variance(small)) >= Flat;
        return new ImageFacts(
            width,
            height,
            small,
            seen ? PerceptualHash.Of(small) : null,
            Shade(0.01),
            Shade(0.99),
            seen ? Sharpness(Math.Min(width, height)) : null,
            Digest()
        );
    }

    /// <inheritdoc/>
    public void Dispose() => preprocessor.Dispose();

    private ImageFacts? TryInspect(ItemReader reader, DataItem item)
    {
        try
        {
            return Inspect(reader.Read(item));
        }
        catch (ImageRejectedException)
        {
            return null;
        }
    }

    private UInt128 Digest()
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(pixels, digest);
        return new UInt128(BitConverter.ToUInt64(digest), BitConverter.ToUInt64(digest[8..]));
    }

    /// <summary>The shade that a share of the pixels is not above.</summary>
    private int Shade(double share)
    {
        Span<int> counts = stackalloc int[256];
        foreach (byte shade in shades)
            counts[shade]++;
        int below = 0,
            found = 0;
        while (below + counts[found] < share * shades.Length)
            below += counts[found++];
        return found;
    }

    /// <summary>At the largest of 256, 128 and 64 pixels that the image has.</summary>
    private double? Sharpness(int shorter)
    {
        int side = Side;
        while (side > shorter)
            side /= 2;
        if (side < LeastSide)
            return null;
        byte[] grey = Reduced(shades, Side, side);
        double sum = 0,
            squares = 0;
        for (int y = 1; y < side - 1; y++)
        for (int x = 1; x < side - 1; x++)
        {
            int at = y * side + x,
                value = grey[at - 1] + grey[at + 1] + grey[at - side] + grey[at + side] - 4 * grey[at];
            sum += value;
            squares += value * value;
        }

        double count = (side - 2.0) * (side - 2);
        return (squares / count - sum / count * (sum / count)) / Variance(grey);
    }

    private static double Variance(byte[] grey)
    {
        double sum = 0,
            squares = 0;
        foreach (byte value in grey)
        {
            sum += value;
            squares += value * value;
        }

        return squares / grey.Length - sum / grey.Length * (sum / grey.Length);
    }

    /// <summary>Means of squares of pixels.</summary>
    private static byte[] Reduced(byte[] grey, int from, int to)
    {
        if (from == to)
            return grey;
        int step = from / to;
        var reduced = new byte[to * to];
        for (int y = 0; y < to; y++)
        for (int x = 0; x < to; x++)
        {
            int sum = 0;
            for (int down = 0; down < step; down++)
            for (int across = 0; across < step; across++)
                sum += grey[(y * step + down) * from + x * step + across];
            reduced[y * to + x] = (byte)((sum + step * step / 2) / (step * step));
        }

        return reduced;
    }
}
