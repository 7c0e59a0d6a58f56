using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MlNetTransfer.Imaging.Resizing;

/// <summary>The instructions a resize runs on. Every level gives the same bytes.</summary>
internal enum SimdLevel
{
    Scalar,

    /// <summary>16-byte vectors of any processor: NEON, SSE.</summary>
    Vector128,

    Avx2,
}

internal static class SimdLevels
{
    public static SimdLevel Best { get; } =
        Avx2.IsSupported ? SimdLevel.Avx2
        : Vector128.IsHardwareAccelerated ? SimdLevel.Vector128
        : SimdLevel.Scalar;
}
