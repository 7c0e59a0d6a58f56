using MlNetTransfer.Features;

namespace MlNetTransfer.Pipelines;

/// <summary>Reads the features and classes of a view to its end.</summary>
internal static class FeatureReader
{
    public static FeatureTable Read(IDataView data, string step, string featureColumn, string labelColumn, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        int width = data.Schema[featureColumn].Type.Width;
        IReadOnlyList<string> classes = data.Schema[labelColumn].Type.ClassNames ?? [];
        var labels = new List<int>();
        var parts = new List<float[]>();
        foreach (DataBatch batch in data.Read([featureColumn, labelColumn], cancellation))
        {
            int[] found = batch.Values<int>(labelColumn);
            int missing = Array.FindIndex(found, label => label < 0);
            if (missing >= 0) throw new TransferException($"{step}: row {batch.RowNumbers[missing]} has no class in column '{labelColumn}'. Give it one, or leave the row out.");
            labels.AddRange(found);
            parts.Add(batch.Values<float>(featureColumn));
            if ((long)labels.Count * width > Array.MaxLength) throw new TransferException($"{step}: more than {labels.Count:N0} rows of {width:N0} features are more than one fit can hold. Train on fewer rows, or name one tap.");
            progress?.Report(new JobProgress("Extracting features", labels.Count, data.RowCount ?? 0));
        }

        if (labels.Count == 0) throw new TransferException($"{step}: there is no row to learn from. Give at least one row of each of two classes.");
        var values = new float[labels.Count * width];
        int at = 0;
        foreach (float[] part in parts)
        {
            part.CopyTo(values, at);
            at += part.Length;
        }

        return new FeatureTable(classes, [.. labels], values, width);
    }

    /// <summary>The same rows, with labels that count other class names.</summary>
    /// <exception cref="TransferException">A row's class is not among them.</exception>
    public static FeatureTable Relabel(FeatureTable table, IReadOnlyList<string> classNames)
    {
        int[] map = KeyNames.Map(table.ClassNames, classNames);
        return new FeatureTable(classNames, [.. table.Labels.Select(label => KeyNames.Translate(map, label, table.ClassNames))], table.Values, table.Width);
    }
}
