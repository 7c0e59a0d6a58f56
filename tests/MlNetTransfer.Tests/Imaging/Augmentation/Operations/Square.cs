using System.Runtime.InteropServices;
using MlNetTransfer.Imaging.Augmentation.Operations;

namespace MlNetTransfer.Tests.Imaging.Augmentation.Operations;

/// <summary>
/// Pixels [Size × Size × 3] as the operations take them: planar rows, padded, in memory that does not move.
/// </summary>
internal sealed unsafe class Square : IDisposable
{
    private readonly byte* memory;

    public Square(int size, byte[]? interleaved = null)
    {
        int stride = (size + 15) & ~15;
        memory = (byte*)NativeMemory.AllocZeroed((nuint)(size * 3 * stride));
        Pixels = new((nint)memory, size, size, stride);
        for (int i = 0; i < interleaved?.Length; i++)
            Pixels.Row(i / 3 / size, i % 3)[i / 3 % size] = interleaved[i];
    }

    public PixelFrame Pixels { get; }

    /// <summary>[Size × Size × 3].</summary>
    public byte[] Interleaved()
    {
        byte[] result = new byte[3 * Pixels.Width * Pixels.Width];
        for (int i = 0; i < result.Length; i++)
            result[i] = Pixels.Row(i / 3 / Pixels.Width, i % 3)[i / 3 % Pixels.Width];
        return result;
    }

    /// <summary>What an operation makes of pixels; it gets a copy of them too.</summary>
    public static byte[] After(int size, byte[] interleaved, Action<PixelFrame, PixelFrame> operation)
    {
        using Square square = new(size, interleaved),
            copy = new(size, interleaved);
        operation(square.Pixels, copy.Pixels);
        return square.Interleaved();
    }

    public void Dispose() => NativeMemory.Free(memory);
}
