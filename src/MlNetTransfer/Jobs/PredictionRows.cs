using MlNetTransfer.Datasets;

namespace MlNetTransfer.Jobs;

/// <summary>
/// A row for every image, those that were rejected included: what a model says of it, and what is known of it.
/// Immutable.
/// </summary>
/// <remarks>
/// Columns: file; truth, and fold (after training) or seen (of an evaluation), where images have labels; prediction,
/// probability, then p_CLASS for every class; where a model that says it was asked: abstained, set (its classes with
/// '|' between), unknown, unknown_score; error. What a rejected image lacks is empty in .csv, null in .jsonl.
/// Numbers are written by the invariant culture.
/// </remarks>
public sealed class PredictionRows
{
    private readonly IReadOnlyList<string> classNames;
    private readonly Row[] rows;
    private readonly (string Name, Func<Row, object?> Value)[] known;
    private readonly bool isReliable;

    private PredictionRows(
        IReadOnlyList<string> classNames,
        IEnumerable<Row> rows,
        IEnumerable<RejectedItem> rejected,
        params (string Name, Func<Row, object?> Value)[] known
    )
    {
        this.classNames = classNames;
        this.rows =
        [
            .. rows,
            .. rejected.Select(image => new Row(image.File, null, null, null, default, -1, image.Reason)),
        ];
        this.known = known;
        isReliable = this.rows.Any(row => row.Says is not null);
    }

    /// <summary>What the columns hold, from left to right.</summary>
    public IReadOnlyList<(string Name, IReadOnlyList<object?> Values)> Columns =>
        [.. All().Select(column => (column.Name, (IReadOnlyList<object?>)[.. rows.Select(column.Value)]))];

    /// <summary>The images that a training run held out, each as the model that had not seen it says.</summary>
    public static PredictionRows Of(TrainSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        return new PredictionRows(
            [.. summary.PerClass.Select(c => c.Name)],
            summary.Predictions.Select(Evaluated),
            summary.Rejected,
            ("truth", row => row.Truth),
            ("fold", row => row.Fold)
        );
    }

    /// <summary>The images of an evaluation.</summary>
    public static PredictionRows Of(ModelEvaluation summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        return new PredictionRows(
            summary.ClassNames,
            summary.Predictions.Select(Evaluated),
            summary.Rejected,
            ("truth", row => row.Truth),
            ("seen", row => row.Seen)
        );
    }

    /// <summary>Images without labels.</summary>
    public static PredictionRows Of(PredictionSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        string[] names = [.. summary.ClassNames];
        return new PredictionRows(
            names,
            summary.Predictions.Select(p => new Row(
                p.File,
                null,
                null,
                null,
                p.Probabilities,
                Array.IndexOf(names, p.Label),
                null
            )
            {
                Says = p.Set is null && p.Unknown is null ? null : p,
            }),
            summary.Rejected
        );
    }

    /// <summary>
    /// Writes the table, whole or not at all: as JSON lines where the name ends in .jsonl, else as CSV.
    /// </summary>
    public void Write(string path)
    {
        (string Name, Func<Row, object?> Value)[] columns = [.. All()];
        ResultTable.Write(
            path,
            [.. columns.Select(column => column.Name)],
            rows.Select(row => columns.Select(column => column.Value(row)))
        );
    }

    private static Row Evaluated(EvaluatedItem image) =>
        new(image.File, image.Truth, image.Seen, image.Fold, image.Probabilities, image.Predicted, null);

    private IEnumerable<(string Name, Func<Row, object?> Value)> All()
    {
        yield return ("file", row => row.File);
        foreach ((string Name, Func<Row, object?> Value) column in known)
            yield return column;
        yield return ("prediction", row => row.Predicted < 0 ? null : classNames[row.Predicted]);
        yield return ("probability", row => row.Of(row.Predicted));
        for (int c = 0; c < classNames.Count; c++)
        {
            int label = c;
            yield return ($"p_{classNames[c]}", row => row.Of(label));
        }

        if (isReliable)
        {
            yield return ("abstained", row => row.Says?.Abstained);
            yield return ("set", row => row.Says?.Set is { } set ? string.Join('|', set) : null);
            yield return ("unknown", row => row.Says?.Unknown);
            yield return ("unknown_score", row => row.Says?.UnknownScore);
        }

        yield return ("error", row => row.Error);
    }

    private sealed record Row(
        string File,
        string? Truth,
        bool? Seen,
        int? Fold,
        ReadOnlyMemory<float> Probabilities,
        int Predicted,
        string? Error
    )
    {
        /// <summary>What the model says beside its probabilities; null where it says nothing.</summary>
        public Prediction? Says { get; init; }

        public float? Of(int label) => Probabilities.IsEmpty ? null : Probabilities.Span[label];
    }
}
