using MlNetTransfer.Imaging.Augmentation.Operations;
using MlNetTransfer.Imaging.Decoding;
using MlNetTransfer.Imaging.Resizing;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>Makes random variants of training images, as tensors in memory of the caller.</summary>
/// <remarks>
/// Decode, random crop, antialiased resize, pixel operations on 8-bit RGB, mirror, normalise. A variant depends on the image, the settings and
/// the <see cref="AugmentationDraw"/> alone: not on the order of the calls, the number of workers, nor on whether the image was decoded
/// before (<see cref="Decode"/>) or in the call.
/// <para>Not thread-safe: one per worker. Memory is kept and reused; nothing on the managed heap is allocated per image.</para>
/// </remarks>
public sealed unsafe class ImageAugmenter : IDisposable
{
    /// <summary>An array of .NET holds no more bytes than 3 times this.</summary>
    private const int MostPixels = 1 << 29;

    private readonly Preprocessing _preprocessing;
    private readonly AugmentationOptions _options;
    private readonly ImageDecoder _decoder;
    private readonly ImagePreprocessor _plain;
    private readonly StripResizer _resizer;
    private readonly TensorWriter _writer;
    private readonly UprightFrame _frame;
    private readonly NativeBuffer _lastStrip = new(), _scratch = new();
    private readonly Rng _rng = new(0);
    private readonly bool _varies;
    private bool _disposed;

    /// <param name="preprocessing">Size, framing, filter and normalisation, from the backbone's card.</param>
    /// <param name="options">How images are varied.</param>
    /// <param name="limits">What an image may cost; the defaults of <see cref="ImageLimits"/> if null.</param>
    /// <exception cref="ArgumentException">A smallest area is above its largest.</exception>
    public ImageAugmenter(Preprocessing preprocessing, AugmentationOptions options, ImageLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        ArgumentNullException.ThrowIfNull(options);
        CheckOrder(options.Crop?.MinArea, options.Crop?.MaxArea, "crop");
        CheckOrder(options.Erasing?.MinArea, options.Erasing?.MaxArea, "erased box");
        (_preprocessing, _options) = (preprocessing, options);
        limits ??= new ImageLimits();
        limits = limits with { MaxPixels = Math.Min(limits.MaxPixels, MostPixels) };
        _varies = options with { Mixing = null } != new AugmentationOptions();
        _decoder = new ImageDecoder(limits);
        _plain = new ImagePreprocessor(preprocessing, limits);
        _frame = new UprightFrame(preprocessing);
        _resizer = new StripResizer(preprocessing.Interpolation, SimdLevels.Best);
        _writer = new TensorWriter(preprocessing);
    }

    /// <summary>Decodes an image and makes one variant. With options that vary nothing it is <see cref="ImagePreprocessor.Process"/>, bit for bit.</summary>
    /// <param name="encoded">The bytes of an image file.</param>
    /// <param name="draw">Which variant.</param>
    /// <param name="tensor">Receives [3 × Size × Size] floats, channels in RGB order: <c>(pixel / 255 - mean) / std</c>. Undefined after an exception.</param>
    /// <param name="cancellation">Looked at between strips of 16 rows.</param>
    /// <exception cref="ImageRejectedException">The image cannot be used; the reason is one line.</exception>
    public void Process(ReadOnlySpan<byte> encoded, AugmentationDraw draw, Span<float> tensor, CancellationToken cancellation = default)
    {
        CheckLength(tensor.Length, nameof(tensor));
        if (!_varies)
        {
            _plain.Process(encoded, tensor, cancellation);
            return;
        }
        DecodeFrame(encoded, cancellation);
        Vary(_frame.Pixels, _frame.Width, _frame.Height, draw, tensor);
    }

    /// <summary>Makes one variant of decoded pixels: the same bytes as from the encoded image that <see cref="Decode"/> made them of.</summary>
    /// <remarks>With options that vary nothing, an image that was reduced or turned (orientations 5 to 8) differs slightly from the encoded one, which is never reduced then.</remarks>
    /// <param name="image">Upright pixels.</param>
    /// <param name="draw">Which variant.</param>
    /// <param name="tensor">Receives [3 × Size × Size] floats, channels in RGB order.</param>
    public void Process(RgbImage image, AugmentationDraw draw, Span<float> tensor)
    {
        ArgumentNullException.ThrowIfNull(image);
        CheckLength(tensor.Length, nameof(tensor));
        Vary(image.Pixels.Span, image.Width, image.Height, draw, tensor);
    }

    /// <summary>Decodes an image into pixels to be kept between epochs, so that each is decoded once.</summary>
    /// <param name="encoded">The bytes of an image file.</param>
    /// <param name="cancellation">Looked at between strips of 16 rows.</param>
    /// <returns>Upright pixels. More than 8 · Size² of them are reduced, antialiased, to sides of 2 · Size (the shorter side, for <see cref="Framing.CenterCrop"/>).</returns>
    /// <exception cref="ImageRejectedException">The image cannot be used; the reason is one line.</exception>
    public RgbImage Decode(ReadOnlySpan<byte> encoded, CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        DecodeFrame(encoded, cancellation);
        return new RgbImage(_frame.Width, _frame.Height, _frame.Pixels.ToArray());
    }

    /// <summary>Releases the memory kept between images.</summary>
    public void Dispose()
    {
        _disposed = true;
        _decoder.Dispose();
        _plain.Dispose();
        _resizer.Dispose();
        _frame.Dispose();
        _lastStrip.Dispose();
        _scratch.Dispose();
    }

    private static void CheckOrder(double? smallest, double? largest, string what)
    {
        if (smallest > largest) throw new ArgumentException(FormattableString.Invariant($"The smallest area of the {what}, {smallest}, is above the largest, {largest}: exchange MinArea and MaxArea."));
    }

    private void DecodeFrame(ReadOnlySpan<byte> encoded, CancellationToken cancellation)
    {
        _decoder.Decode(encoded, _preprocessing.Size, _frame, cancellation);
        _frame.Complete();
    }

    private void CheckLength(int length, string name)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (length != _preprocessing.TensorLength)
            throw new ArgumentException($"{length} elements, expected 3 x {_preprocessing.Size} x {_preprocessing.Size} = {_preprocessing.TensorLength}.", name);
    }

    private void Vary(ReadOnlySpan<byte> pixels, int width, int height, AugmentationDraw draw, Span<float> tensor)
    {
        _rng.Restart((uint)draw.Seed, (ulong)draw.Image, (uint)draw.Number);
        CropBox box = _options.Crop is { } crop ? CropBox.Draw(crop, _preprocessing.Framing, width, height, _rng) : CropBox.Of(_preprocessing.Framing, width, height);
        bool mirror = _rng.NextDouble() < _options.FlipProbability;
        Resize(pixels, width, box);
        VaryColours();
        _writer.WriteTensor(_resizer, new OutputOrder(false, FlippedX: mirror, false), tensor);
    }

    private void VaryColours()
    {
        PixelSquare square = new((nint)_resizer.Frame, _preprocessing.Size, _resizer.PlaneStride);
        if (_options.Jitter is { } jitter) Jitter.Apply(jitter, square, _rng);
        if (_options.TrivialAugment) TrivialAugmentation.Apply(square, square with { Pixels = (nint)_scratch.Reserve(square.Length) }, _rng);
        if (_options.Erasing is { } erasing) Eraser.Apply(erasing, square, _rng);
    }

    /// <summary>A resizer reads whole strips and a little more; where that would leave the image the rows are copied first.</summary>
    private void Resize(ReadOnlySpan<byte> pixels, int width, CropBox box)
    {
        const int rows = StripResizer.StripRows;
        nint stride = 3 * (nint)width;
        int bytes = 3 * box.Width;
        byte* copy = _lastStrip.Reserve((rows + 1L) * (bytes + rows));
        _resizer.Begin(box.Width, box.Height, 3, _preprocessing.Size);
        fixed (byte* start = pixels)
        {
            for (int y = 0; y < box.Height; y += rows)
            {
                nint offset = ((box.Top + y) * stride) + (3 * box.Left);
                int count = Math.Min(rows, box.Height - y);
                if (offset + (rows * stride) + rows <= pixels.Length)
                {
                    _resizer.Push(start + offset, stride, count);
                    continue;
                }
                for (int i = 0; i < count; i++) Buffer.MemoryCopy(start + offset + (i * stride), copy + (i * bytes), bytes, bytes);
                _resizer.Push(copy, bytes, count);
            }
        }
    }
}
