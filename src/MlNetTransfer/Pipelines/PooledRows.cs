using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Pipelines;

/// <summary>Collects the judged rows of all folds, in the order of the data.</summary>
internal sealed class PooledRows
{
    private readonly SortedDictionary<long, (int Label, float[] Scores)> rows = [];
    private IReadOnlyList<string>? classNames;

    /// <exception cref="TransferException">This fold's model knows other classes than the one before.</exception>
    public void Add(IReadOnlyList<string> classes, int[] labels, float[] scores, long[] numbers)
    {
        classNames ??= classes;
        if (!classNames.SequenceEqual(classes)) throw new TransferException($"One fold's model knows the classes {string.Join(", ", classNames)}, another's {string.Join(", ", classes)}: a class is too rare for so many folds. Ask for fewer, or map the classes before dividing.");
        for (int i = 0; i < labels.Length; i++) rows[numbers[i]] = (labels[i], scores[(i * classes.Count)..((i + 1) * classes.Count)]);
    }

    public ClassificationReport Judge() => ClassificationReport.Of(classNames!, [.. rows.Values.Select(r => r.Label)], [.. rows.Values.SelectMany(r => r.Scores)]);
}
