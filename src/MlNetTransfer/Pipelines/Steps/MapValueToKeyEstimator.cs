namespace MlNetTransfer.Pipelines;

/// <summary>Finds the classes of a text column: its distinct values in ordinal order.</summary>
internal sealed class MapValueToKeyEstimator(PipelineEnvironment environment, string output, string input) : IEstimator<RowTransformer>
{
    public Schema GetOutputSchema(Schema input1) => MapValueToKeyTransformer.OutputSchema(input1, output, input, null);

    public RowTransformer Fit(IDataView data, IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        _ = GetOutputSchema(data.Schema);
        var found = new SortedSet<string>(StringComparer.Ordinal);
        foreach (DataBatch batch in data.Read([input], cancellation))
            foreach (string? value in batch.Column<string?>(input))
                if (value is not null) found.Add(value);
        return new MapValueToKeyTransformer(environment, output, input, [.. found]);
    }
}
