using System.Runtime.InteropServices;

namespace MlNetTransfer.Numerics;

/// <summary>
/// Zeroed floats that start on a cache line and do not move: what the vector kernels read and write. Freed by the
/// garbage collector.
/// </summary>
internal sealed class AlignedFloats
{
    private const int Line = 64 / sizeof(float);
    private readonly float[] storage;
    private readonly int start;

    public AlignedFloats(long length)
    {
        if (length > Array.MaxLength - Line)
            throw new TransferException(
                $"{length} numbers were asked for in one block, {Array.MaxLength - Line} are the most. Train on "
                    + $"fewer rows."
            );
        storage = GC.AllocateArray<float>((int)length + Line, pinned: true);
        nint address = Marshal.UnsafeAddrOfPinnedArrayElement(storage, 0);
        start = (int)(-address & 63) / sizeof(float);
        Length = (int)length;
    }

    public int Length { get; }

    public Memory<float> Memory => storage.AsMemory(start, Length);

    public Span<float> Span => storage.AsSpan(start, Length);
}
