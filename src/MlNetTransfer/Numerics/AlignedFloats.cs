namespace MlNetTransfer.Numerics;

/// <summary>
/// Zeroed floats that start on a cache line and do not move: what the vector kernels read and write. Freed by the
/// garbage collector.
/// </summary>
internal sealed unsafe class AlignedFloats
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
        fixed (float* first = storage)
            start = (int)((64 - ((nuint)first & 63)) & 63) / sizeof(float);
        Length = (int)length;
        fixed (float* first = storage)
            Pointer = first + start;
    }

    public int Length { get; }

    /// <summary>The first float; valid while this object is reachable.</summary>
    public float* Pointer { get; }

    public Memory<float> Memory => storage.AsMemory(start, Length);

    public Span<float> Span => storage.AsSpan(start, Length);
}
