namespace MlNetTransfer.Pipelines;

/// <summary>Some rows of a view that cannot leave rows out by itself.</summary>
/// <param name="source">What is read.</param>
/// <param name="rows">Whether a row, by its number, belongs to the view.</param>
/// <param name="count">How many rows that are, where it is known.</param>
internal sealed class FilteredView(IDataView source, Func<long, bool> rows, long? count) : IDataView
{
    public Schema Schema => source.Schema;

    public long? RowCount => count;

    public IEnumerable<DataBatch> Read(IReadOnlyCollection<string>? columns = null, CancellationToken cancellation = default)
    {
        foreach (DataBatch batch in source.Read(columns, cancellation))
        {
            int[] kept = [.. Enumerable.Range(0, batch.Rows).Where(i => rows(batch.RowNumbers[i]))];
            if (kept.Length > 0) yield return kept.Length == batch.Rows ? batch : batch.Select(kept);
        }
    }

    public IDataView WhereRows(Func<long, bool> kept, long? keptCount = null) => new FilteredView(this, kept, keptCount);
}
