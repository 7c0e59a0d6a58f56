using System.Runtime.InteropServices;

namespace MlNetTransfer.Imaging.Decoding;

/// <summary>
/// The functions of libvips 8.18 and GObject that are used; none is variadic (variadic calls from .NET break on Apple
/// arm64). Call <see cref="VipsLibrary.EnsureStarted"/> first. Pointers to objects are <see cref="nint"/>; 0 is NULL.
/// </summary>
internal static unsafe partial class VipsNative
{
    /// <summary>Logical names; <see cref="VipsLibrary"/> maps them to the files of the platform.</summary>
    public const string Vips = "libvips",
        GObject = "libgobject",
        GLib = "libglib";

    [LibraryImport(Vips)]
    public static partial int vips_init(byte* argv0);

    [LibraryImport(Vips)]
    public static partial void vips_concurrency_set(int threads);

    [LibraryImport(Vips)]
    public static partial void vips_cache_set_max(int operations);

    [LibraryImport(Vips)]
    public static partial void vips_block_untrusted_set(int state);

    [LibraryImport(Vips)]
    public static partial void vips_operation_block_set(byte* name, int state);

    [LibraryImport(Vips)]
    public static partial byte* vips_error_buffer();

    [LibraryImport(Vips)]
    public static partial void vips_error_clear();

    [LibraryImport(Vips)]
    public static partial nuint vips_tracked_get_mem();

    [LibraryImport(Vips)]
    public static partial int vips_tracked_get_allocs();

    [LibraryImport(Vips)]
    public static partial nint vips_operation_new(byte* name);

    [LibraryImport(Vips)]
    public static partial nint vips_blob_new(nint freeFunction, byte* data, nuint length);

    [LibraryImport(Vips)]
    public static partial nuint vips_blob_get_type();

    [LibraryImport(Vips)]
    public static partial nuint vips_image_get_type();

    [LibraryImport(Vips)]
    public static partial void vips_area_unref(nint area);

    [LibraryImport(Vips)]
    public static partial int vips_object_set_from_string(nint vipsObject, byte* options);

    [LibraryImport(Vips)]
    public static partial int vips_cache_operation_buildp(nint* operation);

    [LibraryImport(Vips)]
    public static partial void vips_object_unref_outputs(nint vipsObject);

    [LibraryImport(Vips)]
    public static partial nint vips_image_new_from_memory(
        byte* data,
        nuint size,
        int width,
        int height,
        int bands,
        int format
    );

    [LibraryImport(Vips)]
    public static partial int vips_image_get_width(nint image);

    [LibraryImport(Vips)]
    public static partial int vips_image_get_height(nint image);

    [LibraryImport(Vips)]
    public static partial int vips_image_get_bands(nint image);

    [LibraryImport(Vips)]
    public static partial int vips_image_get_format(nint image);

    [LibraryImport(Vips)]
    public static partial int vips_image_get_interpretation(nint image);

    [LibraryImport(Vips)]
    public static partial int vips_image_get_orientation(nint image);

    [LibraryImport(Vips)]
    public static partial nuint vips_image_get_typeof(nint image, byte* name);

    [LibraryImport(Vips)]
    public static partial int vips_image_get_int(nint image, byte* name, int* value);

    [LibraryImport(Vips)]
    public static partial int vips_image_get_blob(nint image, byte* name, byte** data, nuint* length);

    [LibraryImport(Vips)]
    public static partial nint vips_region_new(nint image);

    [LibraryImport(Vips)]
    public static partial int vips_region_image(nint region, VipsRect* rectangle);

    [LibraryImport(Vips)]
    public static partial int vips_region_prepare_to(nint region, nint target, VipsRect* rectangle, int x, int y);

    [LibraryImport(GObject)]
    public static partial GValue* g_value_init(GValue* value, nuint type);

    [LibraryImport(GObject)]
    public static partial void g_value_set_boxed(GValue* value, nint boxed);

    [LibraryImport(GObject)]
    public static partial void g_value_set_object(GValue* value, nint item);

    [LibraryImport(GObject)]
    public static partial nint g_value_dup_object(GValue* value);

    [LibraryImport(GObject)]
    public static partial void g_value_unset(GValue* value);

    [LibraryImport(GObject)]
    public static partial void g_object_set_property(nint item, byte* name, GValue* value);

    [LibraryImport(GObject)]
    public static partial void g_object_get_property(nint item, byte* name, GValue* value);

    [LibraryImport(GObject)]
    public static partial void g_object_unref(nint item);

    [LibraryImport(GLib)]
    public static partial nint g_log_set_default_handler(
        delegate* unmanaged[Cdecl]<byte*, int, byte*, nint, void> handler,
        nint data
    );
}
