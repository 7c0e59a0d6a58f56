namespace MlNetTransfer.Pipelines;

/// <summary>A step that has to see data before it can transform any. It holds options only: every fit stands alone and changes nothing it is given.</summary>
/// <typeparam name="TTransformer">What a fit gives.</typeparam>
public interface IEstimator<out TTransformer>
    where TTransformer : ITransformer
{
    /// <summary>The columns after this step; reads no row.</summary>
    /// <param name="input">The columns before it.</param>
    /// <exception cref="SchemaException">A column is missing, of another type, or made twice.</exception>
    Schema GetOutputSchema(Schema input);

    /// <summary>Fits the step.</summary>
    /// <param name="data">The rows to learn from.</param>
    /// <param name="progress">Told how far long work is, from any thread.</param>
    /// <param name="cancellation">Ends the fit between two images or within one pass over the rows; nothing stays open.</param>
    /// <exception cref="SchemaException">The columns do not fit; found before any image is read.</exception>
    /// <exception cref="TransferException">A row cannot be used, or the data cannot be learnt from; the message says why.</exception>
    TTransformer Fit(IDataView data, IProgress<JobProgress>? progress = null, CancellationToken cancellation = default);
}
