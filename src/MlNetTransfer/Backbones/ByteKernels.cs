using System.Runtime.Intrinsics.X86;

namespace MlNetTransfer.Backbones;

/// <summary>What ONNX Runtime's kernels on bytes do on this CPU.</summary>
internal static class ByteKernels
{
    private const int Features = 7,
        Avx512Vnni = 1 << 11,
        AvxVnni = 1 << 4;

    /// <summary>
    /// Whether products of unsigned and signed bytes may be clipped: x64 CPUs without VNNI instructions add pairs of
    /// them in 16 bits. There weights have to become unsigned, which is slower and right; elsewhere that would cost
    /// speed for nothing.
    /// </summary>
    public static bool MayClip => X86Base.IsSupported && !HasVnni;

    private static bool HasVnni =>
        X86Base.CpuId(0, 0).Eax >= Features
        && ((X86Base.CpuId(Features, 0).Ecx & Avx512Vnni) != 0 || (X86Base.CpuId(Features, 1).Eax & AvxVnni) != 0);
}
