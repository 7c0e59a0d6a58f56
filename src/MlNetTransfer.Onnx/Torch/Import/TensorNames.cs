namespace MlNetTransfer.Onnx.Torch.Import;

/// <summary>
/// Finds the tensors in what a pickle described, and their names: those of modules and attributes, joined by dots.
/// </summary>
internal static class TensorNames
{
    private const int Deepest = 64;

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
