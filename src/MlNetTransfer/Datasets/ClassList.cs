namespace MlNetTransfer.Datasets;

/// <summary>The rules that every source's class names keep.</summary>
internal static class ClassList
{
    /// <exception cref="TransferException">Two names differ in case only.</exception>
    public static void RefuseCaseTwins(string source, IEnumerable<string> classes)
    {
        if (classes.GroupBy(c => c, StringComparer.OrdinalIgnoreCase).FirstOrDefault(g => g.Count() > 1) is { } same)
            throw new TransferException($"'{source}' has classes that differ in case only: {string.Join(", ", same.Select(c => $"'{c}'"))}. They are one folder on Windows and macOS: merge them or rename one.");
    }
}
