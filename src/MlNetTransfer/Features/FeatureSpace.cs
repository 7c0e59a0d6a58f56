using System.Security.Cryptography;
using System.Text.Json;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Features;

/// <summary>
/// Everything that a bottleneck feature depends on besides the image. Two features may be compared, or taken from a
/// cache, only where their spaces are equal.
/// </summary>
/// <param name="Graph">SHA-256 of the backbone's ONNX file, hexadecimal.</param>
/// <param name="Taps">The taps, in order of concatenation.</param>
/// <param name="Preprocessing">What turns pixels into the input.</param>
/// <param name="Decoder">Versions of the decoder and the resize.</param>
/// <param name="Runtime">Version of ONNX Runtime.</param>
/// <param name="Device">Execution provider and, on a CPU, the instruction sets that decide which kernels run.</param>
public sealed record FeatureSpace(
    string Graph,
    IReadOnlyList<string> Taps,
    Preprocessing Preprocessing,
    string Decoder,
    string Runtime,
    string Device
)
{
    /// <summary>SHA-256 over all of it [32].</summary>
    public byte[] Key() => SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(this));
}
