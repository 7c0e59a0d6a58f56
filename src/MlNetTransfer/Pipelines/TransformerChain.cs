namespace MlNetTransfer.Pipelines;

/// <summary>Fitted steps one after the other. Owns them: disposing the chain disposes all.</summary>
/// <typeparam name="TLast">The last step.</typeparam>
public sealed class TransformerChain<TLast> : ITransformer, ITransformerChain
    where TLast : class, ITransformer
{
    private readonly ITransformer[] steps;

    internal TransformerChain(ITransformer[] steps, TLast last) => (this.steps, LastTransformer) = (steps, last);

    /// <summary>The last step.</summary>
    public TLast LastTransformer { get; }

    /// <summary>All steps in order.</summary>
    public IReadOnlyList<ITransformer> Steps => steps;

    /// <inheritdoc/>
    public Schema GetOutputSchema(Schema input) => steps.Aggregate(input, (schema, step) => step.GetOutputSchema(schema));

    /// <inheritdoc/>
    public IDataView Transform(IDataView data) => steps.Aggregate(data, (view, step) => step.Transform(view));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ITransformer step in steps) step.Dispose();
    }
}
