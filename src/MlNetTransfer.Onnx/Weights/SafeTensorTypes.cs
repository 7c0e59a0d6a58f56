namespace MlNetTransfer.Onnx.Weights;

/// <summary>Sizes of element types.</summary>
internal static class SafeTensorTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Bytes(this SafeTensorType type) =>
        type switch
        {
            SafeTensorType.F64 or SafeTensorType.I64 => 8,
            SafeTensorType.F32 or SafeTensorType.I32 => 4,
            SafeTensorType.F16 or SafeTensorType.BF16 or SafeTensorType.I16 => 2,
            _ => 1,
        };
}
