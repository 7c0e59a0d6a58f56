using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Onnx.Torch.Import;

/// <summary>Element types as torch's files name them.</summary>
internal static class TensorTypes
{
    private static readonly Dictionary<string, SafeTensorType> Storages = new()
    {
        ["FloatStorage"] = SafeTensorType.F32,
        ["HalfStorage"] = SafeTensorType.F16,
        ["BFloat16Storage"] = SafeTensorType.BF16,
        ["DoubleStorage"] = SafeTensorType.F64,
        ["LongStorage"] = SafeTensorType.I64,
        ["IntStorage"] = SafeTensorType.I32,
        ["ShortStorage"] = SafeTensorType.I16,
        ["CharStorage"] = SafeTensorType.I8,
        ["ByteStorage"] = SafeTensorType.U8,
        ["BoolStorage"] = SafeTensorType.BOOL,
    };

    private static readonly SafeTensorType?[] Numbers =
    [
        SafeTensorType.U8,
        SafeTensorType.I8,
        SafeTensorType.I16,
        SafeTensorType.I32,
        SafeTensorType.I64,
        SafeTensorType.F16,
        SafeTensorType.F32,
        SafeTensorType.F64,
        null,
        null,
        null,
        SafeTensorType.BOOL,
        null,
        null,
        null,
        SafeTensorType.BF16,
    ];

    /// <summary>The type of a storage class; null where it is none.</summary>
    public static SafeTensorType? OfStorage(string name) =>
        Storages.TryGetValue(name, out SafeTensorType type) ? type : null;

    /// <summary>The type under libtorch's number; null where it is none, or complex.</summary>
    public static SafeTensorType? OfNumber(long number) =>
        number >= 0 && number < Numbers.Length ? Numbers[number] : null;

    /// <summary>libtorch's number of a type.</summary>
    public static int Number(SafeTensorType type) => Array.IndexOf(Numbers, type);
}
