namespace MlNetTransfer.Pipelines;

/// <summary>Reads true classes and probabilities of a scored view to its end.</summary>
internal static class ScoredRows
{
    /// <returns>The model's classes, true classes as indices into them [rows], probabilities [rows × classes], and the rows' numbers [rows].</returns>
    public static (IReadOnlyList<string> Classes, int[] Labels, float[] Scores, long[] Numbers) Read(IDataView data, string labelColumn, string scoreColumn, string predictedColumn, CancellationToken cancellation)
    {
        const string fix = "Evaluate rows that a trained model has scored.";
        Column label = data.Schema.Require(labelColumn, "Name the column of true classes.", ColumnKind.Key, ColumnKind.Text);
        Column score = data.Schema.Require(scoreColumn, fix, ColumnKind.Vector);
        IReadOnlyList<string> classes = data.Schema.Require(predictedColumn, fix, ColumnKind.Key).Type.ClassNames ?? [];
        if (score.Type.Width != classes.Count) throw new SchemaException($"column '{scoreColumn}' has {score.Type.Width} numbers, column '{predictedColumn}' names {classes.Count} classes; both must be of one model. {fix}");
        Dictionary<string, int> index = KeyNames.Index(classes);
        var labels = new List<int>();
        var scores = new List<float>();
        var numbers = new List<long>();
        foreach (DataBatch batch in data.Read([labelColumn, scoreColumn], cancellation))
        {
            for (int i = 0; i < batch.Rows; i++)
            {
                string? name = label.Type.Kind == ColumnKind.Text ? batch.Column<string?>(labelColumn)[i] : batch.Column<int>(labelColumn)[i] is >= 0 and var key ? label.Type.ClassNames![key] : null;
                if (name is null) throw new TransferException($"Row {batch.RowNumbers[i]} has no class in column '{labelColumn}', so it cannot be judged. Give it one, or leave the row out.");
                labels.Add(index.TryGetValue(name, out int known) ? known : throw new TransferException($"Row {batch.RowNumbers[i]} is of class '{name}', which the model does not know; it knows {string.Join(", ", classes)}. Leave such rows out, or train with them."));
            }

            scores.AddRange(batch.Values<float>(scoreColumn));
            numbers.AddRange(batch.RowNumbers);
        }

        return labels.Count > 0 ? (classes, [.. labels], [.. scores], [.. numbers]) : throw new TransferException("There are 0 rows to judge; give at least 1.");
    }
}
