namespace MlNetTransfer.Pipelines;

/// <summary>Rows to be read: lazy, column by column, in batches, in bounded memory. Nothing is read or computed before <see cref="Read"/> is enumerated, and of it only what the asked columns need.</summary>
public interface IDataView
{
    /// <summary>The columns.</summary>
    Schema Schema { get; }

    /// <summary>Rows, where that is known without reading; an upper bound where unusable rows may be left out. Else null.</summary>
    long? RowCount { get; }

    /// <summary>Reads the rows in order. Every enumeration begins anew; one that is ended early lets go of all it opened.</summary>
    /// <param name="columns">The columns wanted; null for all.</param>
    /// <param name="cancellation">Ends the reading between two images.</param>
    /// <exception cref="SchemaException">There is no such column.</exception>
    IEnumerable<DataBatch> Read(IReadOnlyCollection<string>? columns = null, CancellationToken cancellation = default);

    /// <summary>A view of some of the rows, in the same order.</summary>
    /// <param name="rows">Whether a row, by its number in the data, belongs to it.</param>
    /// <param name="count">How many rows that are, where it is known.</param>
    IDataView WhereRows(Func<long, bool> rows, long? count = null);
}
