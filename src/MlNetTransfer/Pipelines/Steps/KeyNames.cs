namespace MlNetTransfer.Pipelines;

/// <summary>Keys of two columns that may count the same classes in another order.</summary>
internal static class KeyNames
{
    /// <summary>The index of every class by its name.</summary>
    public static Dictionary<string, int> Index(IReadOnlyList<string> names) => names.Select((name, i) => (name, i)).ToDictionary(p => p.name, p => p.i, StringComparer.Ordinal);

    /// <summary>Index of each class among the others [from.Count]; -1 where it is not one of them.</summary>
    public static int[] Map(IReadOnlyList<string> from, IReadOnlyList<string> to)
    {
        Dictionary<string, int> index = Index(to);
        return [.. from.Select(name => index.GetValueOrDefault(name, -1))];
    }

    /// <exception cref="TransferException">The class is none of the model's.</exception>
    public static int Translate(int[] map, int label, IReadOnlyList<string> names) =>
        map[label] >= 0 ? map[label] : throw new TransferException($"Class '{names[label]}' is none that the model knows. Leave its rows out, or train with it.");
}
