namespace MlNetTransfer.Pipelines;

/// <summary>A step that learns nothing from data: its fit only makes it ready.</summary>
/// <param name="schema">The columns after it.</param>
/// <param name="make">Makes the step for the columns before it.</param>
internal sealed class ReadyEstimator(Func<Schema, Schema> schema, Func<Schema, CancellationToken, RowTransformer> make) : IEstimator<RowTransformer>
{
    public Schema GetOutputSchema(Schema input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return schema(input);
    }

    public RowTransformer Fit(IDataView data, IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        _ = schema(data.Schema);
        cancellation.ThrowIfCancellationRequested();
        return make(data.Schema, cancellation);
    }
}
