namespace MlNetTransfer.Pipelines;

/// <summary>A fitted step. Thread-safe: any number of views may be read at once. Disposing it closes its sessions; views made by it cannot be read any more.</summary>
public interface ITransformer : IDisposable
{
    /// <summary>The columns after this step; reads no row.</summary>
    /// <param name="input">The columns before it.</param>
    /// <exception cref="SchemaException">A column is missing, of another type, or made twice.</exception>
    Schema GetOutputSchema(Schema input);

    /// <summary>Applies the step, lazily: rows are computed when the view is read.</summary>
    /// <exception cref="SchemaException">The columns do not fit.</exception>
    IDataView Transform(IDataView data);
}
