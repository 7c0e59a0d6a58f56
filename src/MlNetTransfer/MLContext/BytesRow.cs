using Microsoft.ML.Data;

namespace MlNetTransfer;

/// <summary>A row with the bytes of an image file.</summary>
internal sealed class BytesRow
{
    public VBuffer<byte> Bytes { get; set; }
}
