namespace MlNetTransfer.Pipelines;

/// <summary>The first rows of a view; of the source, no batch is read after the one that has the last of them.</summary>
/// <param name="source">What is read.</param>
/// <param name="rows">How many.</param>
internal sealed class TakeView(IDataView source, int rows) : IDataView
{
    public Schema Schema => source.Schema;

    public long? RowCount => source.RowCount is { } count ? Math.Min(rows, count) : null;

    public IEnumerable<DataBatch> Read(IReadOnlyCollection<string>? columns = null, CancellationToken cancellation = default)
    {
        int left = rows;
        foreach (DataBatch batch in source.Read(columns, cancellation))
        {
            yield return batch.Rows <= left ? batch : batch.Select([.. Enumerable.Range(0, left)]);
            left -= batch.Rows;
            if (left <= 0) yield break;
        }
    }

    public IDataView WhereRows(Func<long, bool> kept, long? keptCount = null) => new FilteredView(this, kept, keptCount);
}
