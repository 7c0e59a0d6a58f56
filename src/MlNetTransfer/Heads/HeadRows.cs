using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>What all heads share at their boundary: checks of what they are given, rows one by one.</summary>
internal static class HeadRows
{
    public delegate void RowFunction(ReadOnlySpan<float> row, Span<float> target);

    public static void CheckTrainable(FeatureTable train)
    {
        if (train.Classes < 2)
            throw new TransferException(
                $"A head tells classes apart: the training rows have {train.Classes} class "
                    + $"({string.Join(", ", train.ClassNames)}), at least 2 are needed. Add images of another class."
            );
        var counts = new int[train.Classes];
        foreach (int label in train.Labels)
            counts[label]++;
        for (int c = 0; c < counts.Length; c++)
            if (counts[c] == 0)
                throw new TransferException(
                    $"Class '{train.ClassNames[c]}' has 0 training rows, at least 1 is needed. Add images of it or "
                        + $"leave the class out."
                );
    }

    /// <summary>Applies a function of one row [width] → [classes] to rows [rows × width].</summary>
    public static void ForEach(IHead head, ReadOnlySpan<float> rows, Span<float> target, RowFunction function)
    {
        int classes = head.ClassNames.Count,
            count = rows.Length / head.Width;
        if (rows.Length != count * head.Width)
            throw new ArgumentException(
                $"This head takes rows of {head.Width} features; {rows.Length} values are no whole number of rows.",
                nameof(rows)
            );
        if (target.Length != count * classes)
            throw new ArgumentException(
                $"{count} rows of {classes} classes give {count * classes} values; there is room for {target.Length}.",
                nameof(target)
            );
        for (int i = 0; i < count; i++)
            function(rows.Slice(i * head.Width, head.Width), target.Slice(i * classes, classes));
    }

    /// <summary>The softmax of the logits that a function gives for each row.</summary>
    public static void Predict(IHead head, ReadOnlySpan<float> rows, Span<float> probabilities, RowFunction logits)
    {
        ForEach(head, rows, probabilities, logits);
        for (int i = 0; i < probabilities.Length; i += head.ClassNames.Count)
            Softmax.InPlace(probabilities.Slice(i, head.ClassNames.Count));
    }

    public static float[] Predict(IHead head, FeatureTable table)
    {
        if (table.Width != head.Width)
            throw new ArgumentException(
                $"The table has {table.Width} features per row, this head takes {head.Width}. Was it made with "
                    + $"another backbone or tap?",
                nameof(table)
            );
        var probabilities = new float[table.Rows * head.ClassNames.Count];
        head.Predict(table.Values, probabilities);
        return probabilities;
    }
}
