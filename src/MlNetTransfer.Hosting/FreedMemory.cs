using System.Runtime.InteropServices;

namespace MlNetTransfer.Hosting;

/// <summary>
/// Memory that native libraries have freed. glibc keeps what it once had, and more of it each time that large blocks
/// come and go; a model that is exchanged is hundreds of megabytes of such blocks.
/// </summary>
internal static class FreedMemory
{
    private static readonly Func<nuint, int>? Trim = Find();

    /// <summary>Has the C library give back what nobody uses; does nothing where it does so by itself.</summary>
    public static void GiveBack() => Trim?.Invoke(0);

    private static Func<nuint, int>? Find()
    {
        if (
            !OperatingSystem.IsLinux()
            || !NativeLibrary.TryLoad("libc.so.6", out nint library)
            || !NativeLibrary.TryGetExport(library, "malloc_trim", out nint function)
        )
            return null;
        MallocTrim trim = Marshal.GetDelegateForFunctionPointer<MallocTrim>(function);
        return pad => trim(pad);
    }

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int MallocTrim(nuint pad);
}
