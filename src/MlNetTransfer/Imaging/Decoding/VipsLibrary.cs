using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MlNetTransfer.Imaging.Decoding;

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
