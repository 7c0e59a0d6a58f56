using MlNetTransfer.Imaging.Augmentation.Operations;
using MlNetTransfer.Imaging.Decoding;
using MlNetTransfer.Imaging.Resizing;

namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>Makes random variants of training images, as tensors in memory of the caller.</summary>
/// <remarks>
/// Decode, random crop, antialiased resize, pixel operations on 8-bit RGB, mirror, normalise. A variant depends on the
/// image, the settings and the <see cref="AugmentationDraw"/> alone: not on the order of the calls, the number of
/// workers, nor on whether the image was decoded before (<see cref="Decode"/>) or in the call.
/// <para>Not thread-safe: one per worker. Memory is kept and reused; nothing on the managed heap is allocated per
/// image.</para>
/// </remarks>
public sealed unsafe class ImageAugmenter : IDisposable
{
    /// <summary>An array of .NET holds no more bytes than 3 times this.</summary>
    private const int MostPixels = 1 << 29;

    private readonly Preprocessing preprocessing;
    private readonly AugmentationOptions options;
    private readonly ImageDecoder decoder;
    private readonly ImagePreprocessor plain;
    private readonly StripResizer resizer;
    private readonly TensorWriter writer;
    private readonly UprightFrame frame;
    private readonly NativeBuffer lastStrip = new(),
        scratch = new();
    private readonly Rng rng = new(0);
    private readonly bool varies;
    private bool disposed;

    /// <param name="preprocessing">Size, framing, filter and normalisation, from the backbone's card.</param>
    /// <param name="options">How images are varied.</param>
    /// <param name="limits">What an image may cost; the defaults of <see cref="ImageLimits"/> if null.</param>
    /// <exception cref="ArgumentException">A smallest area is above its largest.</exception>
    public ImageAugmenter(Preprocessing preprocessing, AugmentationOptions options, ImageLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Crop is { } crop)
            PixelOperation.CheckOrder(crop.MinArea, crop.MaxArea, "crop");
        foreach (PixelOperation operation in options.Operations)
            operation.CheckConsistent();
        (this.preprocessing, this.options) = (preprocessing, options);
        limits ??= new ImageLimits();
        limits = limits with { MaxPixels = Math.Min(limits.MaxPixels, MostPixels) };
        varies = options.Varies;
        decoder = new ImageDecoder(limits);
        plain = new ImagePreprocessor(preprocessing, limits);
        frame = new UprightFrame(preprocessing);
        resizer = new StripResizer(preprocessing.Interpolation, SimdLevels.Best);
        writer = new TensorWriter(preprocessing);
    }

    /// <summary>
    /// Decodes an image and makes one variant. With options that vary nothing it is
    /// <see cref="ImagePreprocessor.Process"/>, bit for bit.
    /// </summary>
    /// <param name="encoded">The bytes of an image file.</param>
    /// <param name="draw">Which variant.</param>
    /// <param name="tensor">Receives [3 × height × width] floats, channels in RGB order: <c>(pixel / 255 - mean) /
    /// std</c>. Undefined after an exception.</param>
    /// <param name="cancellation">Looked at between strips of 16 rows.</param>
    /// <exception cref="ImageRejectedException">The image cannot be used; the reason is one line.</exception>
    public void Process(
        ReadOnlySpan<byte> encoded,
        AugmentationDraw draw,
        Span<float> tensor,
        CancellationToken cancellation = default
    )
    {
        CheckLength(tensor.Length, nameof(tensor));
        if (!varies)
        {
            plain.Process(encoded, tensor, cancellation);
            return;
        }
        DecodeFrame(encoded, cancellation);
        Vary(frame.Pixels, frame.Width, frame.Height, draw, tensor);
    }

    /// <summary>
    /// Makes one variant of decoded pixels: the same bytes as from the encoded image that <see cref="Decode"/> made
    /// them of.
    /// </summary>
    /// <remarks>
    /// With options that vary nothing, an image that was reduced or turned (orientations 5 to 8) differs slightly from
    /// the encoded one, which is never reduced then.
    /// </remarks>
    /// <param name="image">Upright pixels.</param>
    /// <param name="draw">Which variant.</param>
    /// <param name="tensor">Receives [3 × height × width] floats, channels in RGB order.</param>
    public void Process(RgbImage image, AugmentationDraw draw, Span<float> tensor)
    {
        ArgumentNullException.ThrowIfNull(image);
        CheckLength(tensor.Length, nameof(tensor));
        Vary(image.Pixels.Span, image.Width, image.Height, draw, tensor);
    }

    /// <summary>Decodes an image into pixels to be kept between epochs, so that each is decoded once.</summary>
    /// <param name="encoded">The bytes of an image file.</param>
    /// <param name="cancellation">Looked at between strips of 16 rows.</param>
    /// <returns>Upright pixels. More than eight times the input's are reduced, antialiased, to twice its sides (to
    /// cover
    /// them, where the framing keeps the aspect ratio).</returns>
    /// <exception cref="ImageRejectedException">The image cannot be used; the reason is one line.</exception>
    public RgbImage Decode(ReadOnlySpan<byte> encoded, CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        DecodeFrame(encoded, cancellation);
        return new RgbImage(frame.Width, frame.Height, frame.Pixels.ToArray());
    }

    /// <summary>Releases the memory kept between images.</summary>
    public void Dispose()
    {
        disposed = true;
        decoder.Dispose();
        plain.Dispose();
        resizer.Dispose();
        frame.Dispose();
        lastStrip.Dispose();
        scratch.Dispose();
    }

    private void DecodeFrame(ReadOnlySpan<byte> encoded, CancellationToken cancellation)
    {
        decoder.Decode(encoded, preprocessing.LargestSide, frame, cancellation);
        frame.Complete();
    }

    private void CheckLength(int length, string name)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (length != preprocessing.TensorLength)
            throw new ArgumentException(
                $"{length} elements, expected 3 x {preprocessing.Shape.Height} x {preprocessing.Shape.Width} = "
                    + $"{preprocessing.TensorLength}.",
                name
            );
    }

    private void Vary(ReadOnlySpan<byte> pixels, int width, int height, AugmentationDraw draw, Span<float> tensor)
    {
        rng.Restart((uint)draw.Seed, (ulong)draw.Image, (uint)draw.Number);
        CropBox box = options.Crop is { } crop
            ? CropBox.Draw(crop, preprocessing, width, height, rng)
            : CropBox.Of(preprocessing, width, height);
        bool mirror = rng.NextDouble() < options.FlipProbability;
        Resize(pixels, width, box);
        VaryPixels();
        writer.WriteTensor(resizer, new OutputOrder(false, FlippedX: mirror, false), tensor);
    }

    private void VaryPixels()
    {
        (int width, int height) = preprocessing.Shape;
        PixelFrame frame = new((nint)resizer.Frame, width, height, resizer.PlaneStride);
        if (options.Operations.Count == 0)
            return;
        PixelFrame copy = frame with { Pixels = (nint)scratch.Reserve(frame.Length) };
        foreach (PixelOperation operation in options.Operations)
            operation.Apply(frame, copy, rng);
    }

    /// <summary>
    /// A resizer reads whole strips and a little more; where that would leave the image the rows are copied first.
    /// </summary>
    private void Resize(ReadOnlySpan<byte> pixels, int width, CropBox box)
    {
        const int rows = StripResizer.StripRows;
        nint stride = 3 * (nint)width;
        int bytes = 3 * box.Width;
        byte* copy = lastStrip.Reserve((rows + 1L) * (bytes + rows));
        resizer.Begin(box.Width, box.Height, 3, preprocessing.Shape.Width, preprocessing.Shape.Height);
        fixed (byte* start = pixels)
        {
            for (int y = 0; y < box.Height; y += rows)
            {
                nint offset = ((box.Top + y) * stride) + (3 * box.Left);
                int count = Math.Min(rows, box.Height - y);
                if (offset + (rows * stride) + rows <= pixels.Length)
                {
                    resizer.Push(start + offset, stride, count);
                    continue;
                }
                for (int i = 0; i < count; i++)
                    Buffer.MemoryCopy(start + offset + (i * stride), copy + (i * bytes), bytes, bytes);
                resizer.Push(copy, bytes, count);
            }
        }
    }
}
