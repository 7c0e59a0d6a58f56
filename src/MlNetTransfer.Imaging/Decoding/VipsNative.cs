using System.Reflection;
using System.Runtime.CompilerServices;
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
    public static partial byte* vips_blob_get(nint blob, nuint* length);

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
    public static partial nint g_value_get_boxed(GValue* value);

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

/// <summary>Finds libvips, starts it once for the process and holds the lock over its one error buffer.</summary>
/// <remarks>
/// Settings are global to the process: no operation cache, one thread per operation (the callers are the threads),
/// untrusted loaders blocked, and of the rest only JPEG, PNG, GIF, WebP, TIFF and HEIF allowed; log messages of the
/// native libraries are dropped, because one damaged PNG prints hundreds of lines.
/// </remarks>
internal static unsafe class VipsLibrary
{
    private static readonly Lazy<bool> Started = new(Start);

    /// <summary>
    /// Held for reading while libvips works and for writing while one image is decoded again for its exact error words.
    /// </summary>
    public static ReaderWriterLockSlim ErrorWords { get; } = new();

    public static nuint ImageType { get; private set; }

    public static nuint BlobType { get; private set; }

    /// <summary>Starts libvips unless it runs.</summary>
    /// <exception cref="TransferException">The native library is missing or does not start.</exception>
    public static void EnsureStarted() => _ = Started.Value;

    private static bool Start()
    {
        NativeLibrary.SetDllImportResolver(typeof(VipsLibrary).Assembly, Resolve);
        fixed (byte* name = "mlnettransfer"u8)
        {
            if (VipsNative.vips_init(name) != 0)
                throw new TransferException($"libvips does not start: {ReadErrorBuffer()}");
        }
        _ = VipsNative.g_log_set_default_handler(&DropMessage, 0);
        VipsNative.vips_concurrency_set(1);
        VipsNative.vips_cache_set_max(0);
        VipsNative.vips_block_untrusted_set(1);
        Block("VipsForeignLoad"u8, true);
        Block("VipsForeignLoadJpeg"u8, false);
        Block("VipsForeignLoadPng"u8, false);
        Block("VipsForeignLoadNsgif"u8, false);
        Block("VipsForeignLoadWebp"u8, false);
        Block("VipsForeignLoadTiff"u8, false);
        Block("VipsForeignLoadHeif"u8, false);
        ImageType = VipsNative.vips_image_get_type();
        BlobType = VipsNative.vips_blob_get_type();
        return true;
    }

    /// <summary>
    /// What libvips said since the buffer was last cleared; by any thread, unless <see cref="ErrorWords"/> is held for
    /// writing.
    /// </summary>
    public static string ReadErrorBuffer() => Marshal.PtrToStringUTF8((nint)VipsNative.vips_error_buffer()) ?? "";

    private static void Block(ReadOnlySpan<byte> operation, bool blocked)
    {
        fixed (byte* name = operation)
            VipsNative.vips_operation_block_set(name, blocked ? 1 : 0);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void DropMessage(byte* domain, int level, byte* message, nint data) { }

    /// <summary>
    /// One library holds libvips, GObject and GLib; the package NetVips.Native has it for each platform.
    /// </summary>
    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        name is VipsNative.Vips or VipsNative.GObject or VipsNative.GLib ? Load(FileName, assembly) : 0;

    /// <summary>Loads a native library from where the host found it, or from beside the program.</summary>
    /// <exception cref="TransferException">It is missing; the message names it and the fix.</exception>
    internal static nint Load(string file, Assembly assembly)
    {
        if (NativeLibrary.TryLoad(file, assembly, null, out nint library))
            return library;
        string[] folders =
        [
            AppContext.BaseDirectory,
            Path.Combine(AppContext.BaseDirectory, "runtimes", RuntimeInformation.RuntimeIdentifier, "native"),
        ];
        foreach (string folder in folders)
            if (NativeLibrary.TryLoad(Path.Combine(folder, file), out library))
                return library;
        throw new TransferException(
            $"The image decoder libvips is missing: {file} is not in {string.Join(" or ", folders)}. It comes with "
                + $"the package NetVips.Native.{RuntimeInformation.RuntimeIdentifier}; reference it, or build again."
        );
    }

    private static string FileName =>
        OperatingSystem.IsWindows() ? "libvips-42.dll"
        : OperatingSystem.IsMacOS() ? "libvips.42.dylib"
        : "libvips.so.42";
}

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
        SetInput(operation, image);
        return Build(operation, options);
    }

    /// <summary>Encodes an image; null says that libvips refused.</summary>
    /// <param name="saver">NUL-terminated UTF-8 name, such as <c>pngsave_buffer</c>.</param>
    /// <param name="image">The image.</param>
    /// <param name="options">NUL-terminated UTF-8 options, such as <c>Q=75</c>.</param>
    public static byte[]? Save(ReadOnlySpan<byte> saver, nint image, ReadOnlySpan<byte> options)
    {
        nint operation = New(saver);
        if (operation == 0)
            return null;
        SetInput(operation, image);
        byte[]? encoded = null;
        int result;
        fixed (byte* text = options)
            result = VipsNative.vips_object_set_from_string(operation, text);
        if (result == 0 && VipsNative.vips_cache_operation_buildp(&operation) == 0)
        {
            GValue value = default;
            VipsNative.g_value_init(&value, VipsLibrary.BlobType);
            fixed (byte* name = "buffer"u8)
                VipsNative.g_object_get_property(operation, name, &value);
            nuint length;
            byte* bytes = VipsNative.vips_blob_get(VipsNative.g_value_get_boxed(&value), &length);
            encoded = new ReadOnlySpan<byte>(bytes, (int)length).ToArray();
            VipsNative.g_value_unset(&value);
        }
        VipsNative.vips_object_unref_outputs(operation);
        VipsNative.g_object_unref(operation);
        return encoded;
    }

    private static void SetInput(nint operation, nint image)
    {
        GValue value = default;
        VipsNative.g_value_init(&value, VipsLibrary.ImageType);
        VipsNative.g_value_set_object(&value, image);
        fixed (byte* property = "in"u8)
            VipsNative.g_object_set_property(operation, property, &value);
        VipsNative.g_value_unset(&value);
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

/// <summary>libvips' VipsRect, in pixels.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VipsRect(int left, int top, int width, int height)
{
    public int Left = left;
    public int Top = top;
    public int Width = width;
    public int Height = height;
}

/// <summary>GObject's GValue: a type and 16 bytes of content. All zero before <c>g_value_init</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GValue
{
    public nuint Type;
    public long Content0;
    public long Content1;
}
