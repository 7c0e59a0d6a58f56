using MlNetTransfer.Datasets;

namespace MlNetTransfer.Jobs;

/// <summary>The classes that a model or a set of images has, among which those of other images are found.</summary>
/// <param name="Names">The classes; the index is the label.</param>
/// <param name="Owner">What has them, for messages: "the model".</param>
/// <param name="Lacks">That it has no such class: "does not know".</param>
/// <param name="Has">What it has: "It knows".</param>
/// <param name="Remedy">What to do about a name that is nearly the same: "Rename it as the model has it".</param>
internal sealed record KnownClasses(IReadOnlyList<string> Names, string Owner, string Lacks, string Has, string Remedy)
{
    /// <summary>The label of each of some classes.</summary>
    /// <param name="classes">The classes to find.</param>
    /// <param name="source">What they were read from, for messages.</param>
    /// <exception cref="TransferException">One is not among those known.</exception>
    public int[] LabelsOf(IReadOnlyList<string> classes, string source)
    {
        var labels = Names
            .Select((name, label) => (name, label))
            .ToDictionary(c => c.name, c => c.label, StringComparer.Ordinal);
        string[] unknown = [.. classes.Where(c => !labels.ContainsKey(c))];
        if (unknown.Length == 0)
            return [.. classes.Select(c => labels[c])];
        if (LookAlikes.Find([.. Names, unknown[0]]) is var (one, other))
            throw new TransferException(
                $"'{source}' has a class that looks like one of {Owner} and is another: "
                    + $"{LookAlikes.Describe(one, other)}. {Remedy}."
            );
        throw new TransferException(
            $"'{source}' has classes that {Owner} {Lacks}: {string.Join(", ", unknown.Select(c => $"'{c}'"))}. {Has} "
                + $"{string.Join(", ", Names.Select(c => $"'{c}'"))}. Rename or remove those classes."
        );
    }
}
