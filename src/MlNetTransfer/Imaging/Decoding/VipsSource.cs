using MlNetTransfer.Imaging.Resizing;

namespace MlNetTransfer.Imaging.Decoding;

/// <summary>An image decoded by libvips; pixels are pulled in the calling thread, straight into this object's memory.</summary>
internal sealed unsafe class VipsSource : PixelSource
{
    private const int FormatUChar = 0, InterpretationGrey = 1, InterpretationSrgb = 22;
    private readonly NativeBuffer _strip = new();
    private byte* _data;
    private int _length, _stripWidth;
    private ImageFormat _format;
    private nint _image, _region, _stripImage, _stripRegion;

    public override bool OpenHeader(byte* data, int length, ImageFormat format)
    {
        VipsLibrary.EnsureStarted();
        _data = data;
        _length = length;
        _format = format;
        _image = Load(format == ImageFormat.Tiff ? "access=sequential,fail_on=error"u8 : "access=sequential,fail_on=truncated"u8);
        if (_image == 0) return false;
        ReadSize();
        Orientation = VipsNative.vips_image_get_orientation(_image);
        HoldsWholeFrame = format is ImageFormat.Gif or ImageFormat.WebP or ImageFormat.Avif || IsInterlaced();
        return true;
    }

    public override bool OpenPixels(int target) => Shrink(target) && ToBytes() && (_region = VipsNative.vips_region_new(_image)) != 0;

    public override byte* ReadStrip(int left, int top, int width, int rows)
    {
        byte* strip = _strip.Reserve((long)width * Bands * StripResizer.StripRows);
        if (width != _stripWidth && !OpenStrip(strip, width)) return null;
        VipsRect rectangle = new(left, top, width, rows);
        return VipsNative.vips_region_prepare_to(_region, _stripRegion, &rectangle, 0, 0) == 0 ? strip : null;
    }

    public override void Close()
    {
        Release(ref _stripRegion);
        Release(ref _stripImage);
        Release(ref _region);
        Release(ref _image);
        _stripWidth = 0;
    }

    public override void Dispose()
    {
        Close();
        _strip.Dispose();
    }

    private static void Release(ref nint item)
    {
        if (item != 0) VipsNative.g_object_unref(item);
        item = 0;
    }

    /// <summary>A region over our memory, which libvips fills.</summary>
    private bool OpenStrip(byte* strip, int width)
    {
        Release(ref _stripRegion);
        Release(ref _stripImage);
        _stripImage = VipsNative.vips_image_new_from_memory(strip, (nuint)width * (nuint)(Bands * StripResizer.StripRows), width, StripResizer.StripRows, Bands, FormatUChar);
        if (_stripImage == 0) return false;
        _stripRegion = VipsNative.vips_region_new(_stripImage);
        VipsRect all = new(0, 0, width, StripResizer.StripRows);
        if (_stripRegion == 0 || VipsNative.vips_region_image(_stripRegion, &all) != 0) return false;
        _stripWidth = width;
        return true;
    }

    private nint Load(ReadOnlySpan<byte> options) => VipsOperation.Load(
        _format switch
        {
            ImageFormat.Jpeg => "jpegload_buffer"u8,
            ImageFormat.Png => "pngload_buffer"u8,
            ImageFormat.Gif => "gifload_buffer"u8,
            ImageFormat.WebP => "webpload_buffer"u8,
            ImageFormat.Tiff => "tiffload_buffer"u8,
            ImageFormat.Avif => "heifload_buffer"u8,
            _ => throw new InvalidOperationException($"libvips has no loader for {_format}."),
        },
        _data, _length, options);

    private void ReadSize()
    {
        Width = VipsNative.vips_image_get_width(_image);
        Height = VipsNative.vips_image_get_height(_image);
        Bands = VipsNative.vips_image_get_bands(_image);
    }

    private bool IsInterlaced()
    {
        int interlaced = 0;
        fixed (byte* name = "interlaced"u8)
            return VipsNative.vips_image_get_typeof(_image, name) != 0 && VipsNative.vips_image_get_int(_image, name, &interlaced) == 0 && interlaced != 0;
    }

    /// <summary>
    /// JPEG decoders halve cheaply. The rule depends on nothing but the sizes: the shorter side is left at least twice the target, so that
    /// the antialiased filter still decides what is kept.
    /// </summary>
    private bool Shrink(int target)
    {
        int times = _format == ImageFormat.Jpeg ? Math.Min(Width, Height) / target : 0;
        if (times < 4) return true;
        nint smaller = Load(times < 8 ? "access=sequential,fail_on=truncated,shrink=2"u8 : times < 16 ? "access=sequential,fail_on=truncated,shrink=4"u8 : "access=sequential,fail_on=truncated,shrink=8"u8);
        return Replace(smaller);
    }

    /// <summary>CMYK, 16-bit, float and profiled images become 8-bit sRGB; plain 8-bit sRGB and grey are left as they are.</summary>
    private bool ToBytes()
    {
        if (HasForeignProfile())
        {
            nint converted = VipsOperation.Transform("icc_transform"u8, _image, "output_profile=srgb,embedded=true,depth=8"u8);
            if (converted != 0) Replace(converted);
        }
        if (IsPlain()) return true;
        return Replace(VipsOperation.Transform("colourspace"u8, _image, "space=srgb"u8))
            && Replace(VipsOperation.Transform("cast"u8, _image, "format=uchar"u8));
    }

    private bool IsPlain() => VipsNative.vips_image_get_format(_image) == FormatUChar && VipsNative.vips_image_get_interpretation(_image) switch
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
            return VipsNative.vips_image_get_typeof(_image, name) != 0 && VipsNative.vips_image_get_blob(_image, name, &profile, &length) == 0
                && !IccProfile.IsSrgb(new ReadOnlySpan<byte>(profile, (int)length));
        }
    }

    private bool Replace(nint image)
    {
        if (image == 0) return false;
        Release(ref _image);
        _image = image;
        ReadSize();
        return true;
    }
}
