using System.Diagnostics.CodeAnalysis;

namespace MlNetTransfer.Pipelines;

/// <summary>Predicts one row at a time. Unlike ML.NET's, it is thread-safe.</summary>
/// <typeparam name="TSource">A row.</typeparam>
/// <typeparam name="TDestination">A prediction.</typeparam>
public sealed class PredictionEngine<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] TSource, [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties | DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] TDestination>
    where TSource : class
    where TDestination : class, new()
{
    private readonly ITransformer model;
    private readonly Schema schema = RowType<TSource>.Schema();
    private readonly IReadOnlyList<(string Column, Action<TDestination, DataBatch, int> Set)> setters;

    internal PredictionEngine(ITransformer model)
    {
        ArgumentNullException.ThrowIfNull(model);
        this.model = model;
        setters = RowType<TDestination>.Setters(model.GetOutputSchema(schema));
    }

    /// <summary>Predicts one row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="cancellation">Ends the work.</param>
    /// <exception cref="TransferException">The row cannot be used; the message says why.</exception>
    public TDestination Predict(TSource row, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(row);
        var data = new SourceView<TSource>(schema, [row], RowType<TSource>.Fill, 1, 1);
        foreach (DataBatch batch in model.Transform(data).Read([.. setters.Select(s => s.Column)], cancellation))
        {
            var found = new TDestination();
            foreach ((_, Action<TDestination, DataBatch, int> set) in setters) set(found, batch, 0);
            return found;
        }

        throw new TransferException($"The row cannot be used; {nameof(TransferContextOptions)}.{nameof(TransferContextOptions.OnRejected)} was told why.");
    }
}
