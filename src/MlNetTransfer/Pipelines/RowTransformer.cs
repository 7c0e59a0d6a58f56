namespace MlNetTransfer.Pipelines;

/// <summary>A fitted step that computes columns of a row from other columns of it: all steps of this library, and the base for your own.</summary>
public abstract class RowTransformer : ITransformer
{
    private bool disposed;

    /// <summary>The columns it reads.</summary>
    public abstract IReadOnlyList<string> Inputs { get; }

    /// <summary>The columns it makes.</summary>
    public abstract IReadOnlyList<string> Outputs { get; }

    /// <inheritdoc/>
    public abstract Schema GetOutputSchema(Schema input);

    /// <inheritdoc/>
    public IDataView Transform(IDataView data)
    {
        ArgumentNullException.ThrowIfNull(data);
        ObjectDisposedException.ThrowIf(disposed, this);
        return new MappedView(data, this, GetOutputSchema(data.Schema));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        Close();
        GC.SuppressFinalize(this);
    }

    /// <summary>Computes the outputs of a batch.</summary>
    /// <param name="batch">Has the inputs; receives the outputs.</param>
    /// <param name="cancellation">Ends the work between two rows.</param>
    /// <returns>The batch itself, or one without the rows that cannot be used.</returns>
    protected abstract DataBatch Compute(DataBatch batch, CancellationToken cancellation);

    /// <summary>Closes what the step holds; called once.</summary>
    protected virtual void Close()
    {
    }

    internal DataBatch Map(DataBatch batch, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        return Compute(batch, cancellation);
    }
}
