namespace MlNetTransfer.Pipelines;

/// <summary>A view with a step applied to it. Steps that no asked column needs are not run.</summary>
/// <param name="source">What the step is applied to.</param>
/// <param name="step">The step; belongs to its chain, not to the view.</param>
/// <param name="schema">The columns after it.</param>
internal sealed class MappedView(IDataView source, RowTransformer step, Schema schema) : IDataView
{
    public Schema Schema => schema;

    public long? RowCount => source.RowCount;

    public IEnumerable<DataBatch> Read(IReadOnlyCollection<string>? columns = null, CancellationToken cancellation = default)
    {
        string[] wanted = [.. (columns ?? [.. schema.Select(c => c.Name)]).Distinct()];
        foreach (string name in wanted) _ = schema[name];
        return step.Outputs.Any(wanted.Contains) ? Mapped(wanted, cancellation) : source.Read(wanted, cancellation);
    }

    public IDataView WhereRows(Func<long, bool> rows, long? count = null) => new MappedView(source.WhereRows(rows, count), step, schema);

    private IEnumerable<DataBatch> Mapped(string[] wanted, CancellationToken cancellation)
    {
        string[] needed = [.. wanted.Except(step.Outputs).Concat(step.Inputs).Distinct()];
        foreach (DataBatch batch in source.Read(needed, cancellation))
        {
            cancellation.ThrowIfCancellationRequested();
            DataBatch mapped = step.Map(batch, cancellation);
            if (mapped.Rows > 0) yield return mapped.Only(wanted);
        }
    }
}
