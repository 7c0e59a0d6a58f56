namespace MlNetTransfer.Pipelines;

/// <summary>A view whose columns are kept in memory once they were read to the end.</summary>
/// <param name="source">What is read.</param>
internal sealed class CachedView(IDataView source) : IDataView
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, DataBatch[]> kept = new(StringComparer.Ordinal);

    public Schema Schema => source.Schema;

    public long? RowCount => source.RowCount;

    public IEnumerable<DataBatch> Read(IReadOnlyCollection<string>? columns = null, CancellationToken cancellation = default)
    {
        string[] wanted = [.. (columns ?? [.. Schema.Select(c => c.Name)]).Distinct().Order(StringComparer.Ordinal)];
        foreach (string name in wanted) _ = Schema[name];
        return Kept(wanted, cancellation);
    }

    public IDataView WhereRows(Func<long, bool> rows, long? count = null) => new FilteredView(this, rows, count);

    private IEnumerable<DataBatch> Kept(string[] wanted, CancellationToken cancellation)
    {
        string key = string.Join('\n', wanted);
        DataBatch[]? known;
        lock (gate) kept.TryGetValue(key, out known);
        if (known is null)
        {
            known = [.. source.Read(wanted, cancellation)];
            lock (gate) kept[key] = known;
        }

        // A batch belongs to its reader, who may change it.
        foreach (DataBatch batch in known) yield return batch.Select([.. Enumerable.Range(0, batch.Rows)]);
    }
}
