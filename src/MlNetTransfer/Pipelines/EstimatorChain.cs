namespace MlNetTransfer.Pipelines;

/// <summary>Steps one after the other. Immutable: appending makes a new chain.</summary>
/// <typeparam name="TLast">What the last step's fit gives.</typeparam>
public sealed class EstimatorChain<TLast> : IEstimator<TransformerChain<TLast>>
    where TLast : class, ITransformer
{
    private readonly IEstimator<ITransformer>[] steps;

    internal EstimatorChain(IEstimator<ITransformer>[] steps) => this.steps = steps;

    /// <summary>The chain with one more step.</summary>
    public EstimatorChain<TNew> Append<TNew>(IEstimator<TNew> estimator)
        where TNew : class, ITransformer => new([.. steps, estimator ?? throw new ArgumentNullException(nameof(estimator))]);

    /// <inheritdoc/>
    public Schema GetOutputSchema(Schema input)
    {
        ArgumentNullException.ThrowIfNull(input);
        Schema schema = input;
        for (int i = 0; i < steps.Length; i++)
        {
            try
            {
                schema = steps[i].GetOutputSchema(schema);
            }
            catch (SchemaException e)
            {
                throw new SchemaException($"Step {i + 1} of {steps.Length}: {e.Message}", e);
            }
        }

        return schema;
    }

    /// <inheritdoc/>
    public TransformerChain<TLast> Fit(IDataView data, IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        _ = GetOutputSchema(data.Schema);
        var fitted = new List<ITransformer>();
        try
        {
            IDataView view = data;
            foreach (IEstimator<ITransformer> step in steps)
            {
                fitted.Add(step.Fit(view, progress, cancellation));
                if (fitted.Count < steps.Length) view = fitted[^1].Transform(view);
            }

            return new TransformerChain<TLast>([.. fitted], (TLast)fitted[^1]);
        }
        catch
        {
            foreach (ITransformer transformer in fitted) transformer.Dispose();
            throw;
        }
    }
}
