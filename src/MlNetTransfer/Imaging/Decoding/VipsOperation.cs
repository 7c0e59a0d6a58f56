namespace MlNetTransfer.Imaging.Decoding;

/// <summary>
/// Runs one libvips operation without variadic calls. Results are owned by the caller; 0 says that libvips refused.
/// </summary>
internal static unsafe class VipsOperation
{
    /// <summary>
    /// Opens an encoded image. Decoding is lazy: <paramref name="data"/> must stay where it is until the image is
    /// released.
    /// </summary>
    /// <param name="loader">NUL-terminated UTF-8 name, such as <c>jpegload_buffer</c>.</param>
    /// <param name="data">The encoded file [length].</param>
    /// <param name="length">Bytes of the file.</param>
    /// <param name="options">NUL-terminated UTF-8 options, such as <c>access=sequential,fail_on=truncated</c>.</param>
    public static nint Load(ReadOnlySpan<byte> loader, byte* data, int length, ReadOnlySpan<byte> options)
    {
        nint operation = New(loader);
        if (operation == 0)
            return 0;
        nint blob = VipsNative.vips_blob_new(0, data, (nuint)length);
        GValue value = default;
        VipsNative.g_value_init(&value, VipsLibrary.BlobType);
        VipsNative.g_value_set_boxed(&value, blob);
        fixed (byte* name = "buffer"u8)
            VipsNative.g_object_set_property(operation, name, &value);
        VipsNative.g_value_unset(&value);
        VipsNative.vips_area_unref(blob);
        return Build(operation, options);
    }

    /// <summary>Derives an image from another, lazily.</summary>
    public static nint Transform(ReadOnlySpan<byte> name, nint image, ReadOnlySpan<byte> options)
    {
        nint operation = New(name);
        if (operation == 0)
            return 0;
        GValue value = default;
        VipsNative.g_value_init(&value, VipsLibrary.ImageType);
        VipsNative.g_value_set_object(&value, image);
        fixed (byte* property = "in"u8)
            VipsNative.g_object_set_property(operation, property, &value);
        VipsNative.g_value_unset(&value);
        return Build(operation, options);
    }

    private static nint New(ReadOnlySpan<byte> name)
    {
        fixed (byte* pointer = name)
            return VipsNative.vips_operation_new(pointer);
    }

    private static nint Build(nint operation, ReadOnlySpan<byte> options)
    {
        nint image = 0;
        int result;
        fixed (byte* text = options)
            result = VipsNative.vips_object_set_from_string(operation, text);
        if (result == 0 && VipsNative.vips_cache_operation_buildp(&operation) == 0)
        {
            GValue value = default;
            VipsNative.g_value_init(&value, VipsLibrary.ImageType);
            fixed (byte* name = "out"u8)
                VipsNative.g_object_get_property(operation, name, &value);
            image = VipsNative.g_value_dup_object(&value);
            VipsNative.g_value_unset(&value);
        }
        VipsNative.vips_object_unref_outputs(operation);
        VipsNative.g_object_unref(operation);
        return image;
    }
}
