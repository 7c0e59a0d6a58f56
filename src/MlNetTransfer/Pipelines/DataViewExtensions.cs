namespace MlNetTransfer.Pipelines;

/// <summary>Ways to look at data.</summary>
public static class DataViewExtensions
{
    /// <summary>The first rows of a view; reading ends with the batch that has the last of them.</summary>
    /// <param name="data">The view.</param>
    /// <param name="rows">How many, at least 1.</param>
    public static IDataView Take(this IDataView data, int rows)
    {
        ArgumentNullException.ThrowIfNull(data);
        return new TakeView(data, Check.InRange(rows, 1, int.MaxValue));
    }

    /// <summary>The first rows of a view with all their columns, computed now; print it to see them as a table.</summary>
    /// <param name="data">The view.</param>
    /// <param name="rows">How many at most, in [1, 10000]. Default 10.</param>
    /// <param name="cancellation">Ends the reading.</param>
    public static DataPreview Preview(this IDataView data, int rows = 10, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        return DataPreview.Of(data, Check.InRange(rows, 1, 10_000), cancellation);
    }
}
