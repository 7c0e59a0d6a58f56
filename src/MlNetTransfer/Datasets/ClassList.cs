namespace MlNetTransfer.Datasets;

/// <summary>The rules that every source's class names keep.</summary>
internal static class ClassList
{
    /// <summary>A label as it counts: blanks around it do not.</summary>
    public static string Trimmed(string label) => label.Trim();

    /// <exception cref="TransferException">Two names differ in case only, or look the same.</exception>
    public static void RefuseTwins(string source, IReadOnlyCollection<string> classes)
    {
        if (classes.GroupBy(c => c, StringComparer.OrdinalIgnoreCase).FirstOrDefault(g => g.Count() > 1) is { } same)
            throw new TransferException(
                $"'{source}' has classes that differ in case only: {string.Join(", ", same.Select(c => $"'{c}'"))}. "
                    + $"They are one folder on Windows and macOS: merge them or rename one."
            );
        if (LookAlikes.Find(classes) is var (one, other))
            throw new TransferException(
                $"'{source}' has classes that look the same: {LookAlikes.Describe(one, other)}. They would be two "
                    + $"classes: write both alike, or rename one."
            );
    }
}
