using MlNetTransfer.Imaging.Resizing;

namespace MlNetTransfer.Imaging.Decoding;

/// <summary>
/// An image decoded by libvips; pixels are pulled in the calling thread, straight into this object's memory.
/// </summary>
internal sealed unsafe class VipsSource : PixelSource
{
    private const int FormatUChar = 0,
        FormatUShort = 2,
        InterpretationGrey = 1,
        InterpretationLab = 13,
        InterpretationLabS = 21,
        InterpretationSrgb = 22;

    /// <summary>Sample formats of libvips, by number.</summary>
    private static readonly string[] SampleFormats =
    [
        "8-bit",
        "signed 8-bit",
        "16-bit",
        "signed 16-bit",
        "32-bit integer",
        "signed 32-bit integer",
        "32-bit float",
        "complex",
        "64-bit float",
        "64-bit complex",
    ];

    private readonly NativeBuffer strip = new();
    private byte* data;
    private int length,
        stripWidth;
    private ImageFormat format;
    private nint image,
        region,
        stripImage,
        stripRegion;

    public override bool OpenHeader(byte* data, int length, ImageFormat format)
    {
        VipsLibrary.EnsureStarted();
        this.data = data;
        this.length = length;
        this.format = format;
        image = Load(
            format switch
            {
                ImageFormat.Tiff => "access=sequential,fail_on=error"u8,
                ImageFormat.Jpeg when !ToleratesWarnings => "access=sequential,fail_on=warning"u8,
                _ => "access=sequential,fail_on=truncated"u8,
            }
        );
        if (image == 0)
            return false;
        if (format == ImageFormat.Tiff)
            RefuseSamplesWithoutRange();
        ReadSize();
        Orientation = VipsNative.vips_image_get_orientation(image);
        HoldsWholeFrame = format is ImageFormat.Gif or ImageFormat.WebP or ImageFormat.Avif || IsInterlaced();
        return true;
    }

    public override bool OpenPixels(int target) =>
        Shrink(target) && ToBytes() && (region = VipsNative.vips_region_new(image)) != 0;

    public override byte* ReadStrip(int left, int top, int width, int rows)
    {
        byte* strip = this.strip.Reserve((long)width * Bands * StripResizer.StripRows);
        if (width != stripWidth && !OpenStrip(strip, width))
            return null;
        VipsRect rectangle = new(left, top, width, rows);
        return VipsNative.vips_region_prepare_to(region, stripRegion, &rectangle, 0, 0) == 0 ? strip : null;
    }

    public override void Close()
    {
        Release(ref stripRegion);
        Release(ref stripImage);
        Release(ref region);
        Release(ref image);
        stripWidth = 0;
    }

    public override void Dispose()
    {
        Close();
        strip.Dispose();
    }

    private static void Release(ref nint item)
    {
        if (item != 0)
            VipsNative.g_object_unref(item);
        item = 0;
    }

    /// <summary>A region over our memory, which libvips fills.</summary>
    private bool OpenStrip(byte* strip, int width)
    {
        Release(ref stripRegion);
        Release(ref stripImage);
        stripImage = VipsNative.vips_image_new_from_memory(
            strip,
            (nuint)width * (nuint)(Bands * StripResizer.StripRows),
            width,
            StripResizer.StripRows,
            Bands,
            FormatUChar
        );
        if (stripImage == 0)
            return false;
        stripRegion = VipsNative.vips_region_new(stripImage);
        VipsRect all = new(0, 0, width, StripResizer.StripRows);
        if (stripRegion == 0 || VipsNative.vips_region_image(stripRegion, &all) != 0)
            return false;
        stripWidth = width;
        return true;
    }

    private nint Load(ReadOnlySpan<byte> options) =>
        VipsOperation.Load(
            format switch
            {
                ImageFormat.Jpeg => "jpegload_buffer"u8,
                ImageFormat.Png => "pngload_buffer"u8,
                ImageFormat.Gif => "gifload_buffer"u8,
                ImageFormat.WebP => "webpload_buffer"u8,
                ImageFormat.Tiff => "tiffload_buffer"u8,
                ImageFormat.Avif => "heifload_buffer"u8,
                _ => throw new InvalidOperationException($"libvips has no loader for {format}."),
            },
            data,
            length,
            options
        );

    /// <summary>
    /// Of 8 and 16 bits without a sign, black and white are the ends of the range. Wider and signed samples are
    /// measurements: some programs mean 0 to 1 by them, others 0 to 255, degrees or metres, and the file does not say.
    /// To take the range from each image would show equal values differently from image to image, and to clip them, as
    /// libvips does, makes most images all black or all white; so they are refused.
    /// </summary>
    private void RefuseSamplesWithoutRange()
    {
        int samples = VipsNative.vips_image_get_format(image);
        if (
            samples is FormatUChar or FormatUShort
            || VipsNative.vips_image_get_interpretation(image) is InterpretationLab or InterpretationLabS
        )
            return;
        string found = samples >= 0 && samples < SampleFormats.Length ? SampleFormats[samples] : $"unknown ({samples})";
        throw new ImageRejectedException(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"TIFF with {found} samples, which do not say what is black and what is white; save it with 8 or 16 "
                    + $"bits per sample"
            )
        );
    }

    private void ReadSize()
    {
        Width = VipsNative.vips_image_get_width(image);
        Height = VipsNative.vips_image_get_height(image);
        Bands = VipsNative.vips_image_get_bands(image);
    }

    private bool IsInterlaced()
    {
        int interlaced = 0;
        fixed (byte* name = "interlaced"u8)
            return VipsNative.vips_image_get_typeof(image, name) != 0
                && VipsNative.vips_image_get_int(image, name, &interlaced) == 0
                && interlaced != 0;
    }

    /// <summary>
    /// JPEG decoders halve cheaply. The rule depends on nothing but the sizes: the shorter side is left at least twice
    /// the target, so that the antialiased filter still decides what is kept.
    /// </summary>
    private bool Shrink(int target)
    {
        int times = format == ImageFormat.Jpeg ? Math.Min(Width, Height) / target : 0;
        if (times < 4)
            return true;
        return Replace(
            Load(
                (times, ToleratesWarnings) switch
                {
                    (< 8, true) => "access=sequential,fail_on=truncated,shrink=2"u8,
                    (< 8, false) => "access=sequential,fail_on=warning,shrink=2"u8,
                    (< 16, true) => "access=sequential,fail_on=truncated,shrink=4"u8,
                    (< 16, false) => "access=sequential,fail_on=warning,shrink=4"u8,
                    (_, true) => "access=sequential,fail_on=truncated,shrink=8"u8,
                    (_, false) => "access=sequential,fail_on=warning,shrink=8"u8,
                }
            )
        );
    }

    /// <summary>
    /// CMYK, 16-bit, float and profiled images become 8-bit sRGB; plain 8-bit sRGB and grey are left as they are.
    /// </summary>
    private bool ToBytes()
    {
        if (HasForeignProfile())
        {
            nint converted = VipsOperation.Transform(
                "icc_transform"u8,
                image,
                "output_profile=srgb,embedded=true,depth=8"u8
            );
            if (converted != 0)
                Replace(converted);
        }
        if (IsPlain())
            return true;
        return Replace(VipsOperation.Transform("colourspace"u8, image, "space=srgb"u8))
            && Replace(VipsOperation.Transform("cast"u8, image, "format=uchar"u8));
    }

    private bool IsPlain() =>
        VipsNative.vips_image_get_format(image) == FormatUChar
        && VipsNative.vips_image_get_interpretation(image) switch
        {
            InterpretationSrgb => Bands >= 3,
            InterpretationGrey => Bands <= 2,
            _ => false,
        };

    private bool HasForeignProfile()
    {
        byte* profile;
        nuint length;
        fixed (byte* name = "icc-profile-data"u8)
        {
            return VipsNative.vips_image_get_typeof(image, name) != 0
                && VipsNative.vips_image_get_blob(image, name, &profile, &length) == 0
                && !IccProfile.IsSrgb(new ReadOnlySpan<byte>(profile, (int)length));
        }
    }

    private bool Replace(nint image)
    {
        if (image == 0)
            return false;
        Release(ref this.image);
        this.image = image;
        ReadSize();
        return true;
    }
}
