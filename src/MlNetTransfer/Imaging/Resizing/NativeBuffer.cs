using System.Runtime.InteropServices;

namespace MlNetTransfer.Imaging.Resizing;

/// <summary>
/// 64-byte aligned memory outside the managed heap which only ever grows, so that a worker reuses it for every image.
/// </summary>
internal sealed unsafe class NativeBuffer : IDisposable
{
    private const int Alignment = 64;
    private byte* memory;
    private nuint capacity;

    ~NativeBuffer() => Free();

    /// <summary>The memory of the last <see cref="Reserve"/>.</summary>
    public byte* Memory => memory;

    /// <summary>
    /// At least <paramref name="bytes"/> bytes and <see cref="Alignment"/> more, which wide loads may touch. The
    /// content is undefined after growth.
    /// </summary>
    public byte* Reserve(long bytes)
    {
        nuint needed = (nuint)bytes + Alignment;
        if (needed <= capacity)
            return memory;
        Free();
        memory = (byte*)NativeMemory.AlignedAlloc(needed, Alignment);
        capacity = needed;
        return memory;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(memory);
        memory = null;
        capacity = 0;
    }
}
