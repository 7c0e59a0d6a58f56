namespace MlNetTransfer.Pipelines;

/// <summary>The columns of every classifier.</summary>
internal static class Scores
{
    /// <summary>Sets probabilities [rows × classes] and the likeliest class; of equal ones, that with the lower index.</summary>
    public static void Set(DataBatch batch, IReadOnlyList<string> classNames, float[] scores, string scoreColumn, string predictedColumn)
    {
        var predicted = new int[batch.Rows];
        for (int row = 0; row < predicted.Length; row++)
        {
            ReadOnlySpan<float> score = scores.AsSpan(row * classNames.Count, classNames.Count);
            for (int c = 1; c < score.Length; c++)
                if (score[c] > score[predicted[row]]) predicted[row] = c;
        }

        batch.Set(scoreColumn, ColumnType.Vector(classNames.Count), scores);
        batch.Set(predictedColumn, ColumnType.Key(classNames), predicted);
    }
}
