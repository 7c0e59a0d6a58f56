using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Onnx.Torch.Import;

/// <summary>
/// Finds the tensors in what a pickle described, and their names: those of modules and attributes, joined by dots.
/// </summary>
internal static class TensorNames
{
    private const int Deepest = 64,
        Longest = 10_000;

    /// <summary>Keys under which training scripts put the state dictionary beside other things.</summary>
    private static readonly string[] Wrappers = ["state_dict", "model_state_dict", "model"];

    /// <exception cref="FormatException">There are none, or too many, or a name is there twice.</exception>
    public static IReadOnlyList<(string Name, PickleTensor Tensor)> Of(object? root, int most)
    {
        if (root is not PickleMap map)
            throw new FormatException(
                "it describes neither a module nor a dictionary of tensors; save the state_dict()."
            );
        if (map.Entries.All(e => e.Value is not PickleTensor))
            map =
                Wrappers
                    .Select(w => map.Entries.FirstOrDefault(e => e.Key is string key && key == w).Value as PickleMap)
                    .FirstOrDefault(m => m is not null)
                ?? map;
        List<(string, PickleTensor)> found = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        int visited = 0;
        Visit(map, "", 0);
        return found.Count > 0 ? found : throw new FormatException("it has no tensors.");

        void Visit(PickleMap of, string prefix, int depth)
        {
            if (depth > Deepest)
                throw new FormatException($"its modules are nested deeper than {Deepest}, or in a circle.");
            foreach ((object? key, object? value) in of.Entries)
            {
                if (++visited > 100L * most)
                    throw new FormatException("it describes far more than weights need.");
                if (key is not string part)
                    continue;
                if (prefix.Length + part.Length > Longest)
                    throw new FormatException($"a name has more than {Longest:N0} characters.");
                if (value is PickleMap inner)
                    Visit(inner, $"{prefix}{part}.", depth + 1);
                if (value is not PickleTensor tensor)
                    continue;
                if (!names.Add(prefix + part))
                    throw new FormatException($"tensor '{prefix}{part}' is there twice.");
                if (names.Count > most)
                    throw new FormatException($"it has more than {most:N0} tensors.");
                found.Add((prefix + part, tensor));
            }
        }
    }
}

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
