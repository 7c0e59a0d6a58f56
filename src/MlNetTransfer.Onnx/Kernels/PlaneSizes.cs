namespace MlNetTransfer.Onnx.Kernels;

/// <summary>What is done to a map while it is in the cache.</summary>
internal enum DepthwiseEnd
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It is held between two bounds: an activation.</summary>
    Held,

    /// <summary>It stays where another tensor lies between two bounds, else 0: the gradient of an activation.</summary>
    Gated,
}

/// <summary>The end of a kernel's work on a map.</summary>
/// <param name="end">What is done.</param>
/// <param name="low">The lower bound.</param>
/// <param name="high">The upper bound.</param>
internal sealed unsafe class DepthwiseOutput(DepthwiseEnd end, float low, float high)
{
    public static DepthwiseOutput Of(long[] numbers, float[] values) =>
        new((DepthwiseEnd)numbers[PlaneSizes.Count], values[0], values[^1]);

    public bool IsGated => end == DepthwiseEnd.Gated;

    public void Finish(float* map, float* gate, int size)
    {
        Span<float> values = new(map, size);
        if (end == DepthwiseEnd.Held)
            ElementwiseStep.Hold(values, low, high, values);
        else if (end == DepthwiseEnd.Gated)
            ElementwiseStep.Gate(values, new ReadOnlySpan<float>(gate, size), low, high, values);
    }
}

/// <summary>Sizes of a convolution or pool in two dimensions, without dilation.</summary>
/// <param name="Batch">Images.</param>
/// <param name="Channels">Channels.</param>
/// <param name="Y">The rows.</param>
/// <param name="X">The columns.</param>
internal sealed record PlaneSizes(int Batch, int Channels, PlaneAxis Y, PlaneAxis X)
{
    /// <summary>Taps that kernels take: each has its place on the stack.</summary>
    public const int MostTaps = 1024;

    /// <summary>How many numbers tell them.</summary>
    public const int Count = 12;

    /// <summary>Maps of all images.</summary>
    public int Maps => Batch * Channels;

    public static PlaneSizes Of(long[] n) =>
        new(
            (int)n[0],
            (int)n[1],
            new PlaneAxis((int)n[2], (int)n[3], (int)n[4], (int)n[5], (int)n[6]),
            new PlaneAxis((int)n[7], (int)n[8], (int)n[9], (int)n[10], (int)n[11])
        );

    public long[] ToNumbers() =>
        [Batch, Channels, Y.Input, Y.Output, Y.Kernel, Y.Stride, Y.Pad, X.Input, X.Output, X.Kernel, X.Stride, X.Pad];
}
