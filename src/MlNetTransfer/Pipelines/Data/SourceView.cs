namespace MlNetTransfer.Pipelines;

/// <summary>Rows that come from outside: what every chain of steps begins with.</summary>
/// <typeparam name="TRow">A row as it comes.</typeparam>
/// <param name="schema">The columns.</param>
/// <param name="rows">The rows; enumerated anew for every reading.</param>
/// <param name="fill">Makes the values of a column for some rows.</param>
/// <param name="count">How many rows there are, where that is known.</param>
/// <param name="batchRows">Rows of a batch.</param>
internal sealed class SourceView<TRow>(Schema schema, IEnumerable<TRow> rows, Func<Column, TRow[], Array> fill, long? count, int batchRows) : IDataView
{
    public Schema Schema => schema;

    public long? RowCount => count;

    private Func<long, bool>? Filter { get; init; }

    public IEnumerable<DataBatch> Read(IReadOnlyCollection<string>? columns = null, CancellationToken cancellation = default)
    {
        Column[] wanted = [.. (columns ?? [.. schema.Select(c => c.Name)]).Distinct().Select(name => schema[name])];
        return Batches(wanted, cancellation);
    }

    public IDataView WhereRows(Func<long, bool> kept, long? keptCount = null) =>
        new SourceView<TRow>(schema, rows, fill, keptCount, batchRows) { Filter = Filter is { } before ? row => before(row) && kept(row) : kept };

    private IEnumerable<DataBatch> Batches(Column[] wanted, CancellationToken cancellation)
    {
        var held = new List<TRow>(batchRows);
        var numbers = new List<long>(batchRows);
        long number = -1, taken = 0;
        foreach (TRow row in rows)
        {
            cancellation.ThrowIfCancellationRequested();
            number++;
            if (Filter is not null && !Filter(number)) continue;
            held.Add(row);
            numbers.Add(number);
            // A view whose length is known ends with its last row, so that of an endless source a preview reads no more than it shows.
            bool last = ++taken == count;
            if (held.Count == batchRows || last) yield return Batch();
            if (last) yield break;
        }

        if (held.Count > 0) yield return Batch();

        DataBatch Batch()
        {
            var batch = new DataBatch([.. numbers]);
            TRow[] some = [.. held];
            foreach (Column column in wanted) batch.Set(column.Name, column.Type, fill(column, some));
            held.Clear();
            numbers.Clear();
            return batch;
        }
    }
}
