using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace MlNetTransfer.Scoring.Chains;

/// <summary>The rows of data of ML.NET, in its order, each a copy of the values that are needed.</summary>
internal sealed class DataViewSource : ScoreSource
{
    private readonly IDataView data;
    private readonly DataViewSchema.Column[] kept;
    private readonly DataViewSchema.Column? key;

    /// <param name="data">The data.</param>
    /// <param name="needed">Names of the columns that are needed.</param>
    /// <param name="keyColumn">The column that names rows; null for the first one of text, else the number of the
    /// row.</param>
    /// <param name="name">What tells the data from other data; null for its columns and number of rows.</param>
    /// <exception cref="TransferException">A column is missing, or cannot be copied.</exception>
    public DataViewSource(IDataView data, IReadOnlySet<string> needed, string? keyColumn, string? name)
    {
        this.data = data;
        DataViewSchema.Column[] visible = [.. data.Schema.Where(column => !column.IsHidden)];
        key = keyColumn is null
            ? visible.Select(c => (DataViewSchema.Column?)c).FirstOrDefault(c => c!.Value.Type is TextDataViewType)
            : data.Schema.GetColumnOrNull(keyColumn)
                ?? throw new TransferException(
                    $"There is no column '{keyColumn}' to name rows by; the data has "
                        + $"{string.Join(", ", visible.Select(c => c.Name))}."
                );
        kept =
        [
            .. visible.Where(c =>
                needed.Contains(c.Name) || c.Index == key?.Index || OutputColumn.Of(c) is { IsVector: false }
            ),
        ];
        foreach (DataViewSchema.Column column in kept)
            if (column.Type is ImageDataViewType)
                throw new TransferException(
                    $"Column '{column.Name}' has decoded images, which many rows at once cannot be kept of. Let the "
                        + "model load them: give the data from before LoadImages, and put that into the model."
                );
        Identity = name is not null
            ? $"data {name}"
            : $"{data.GetRowCount()} rows of {string.Join(", ", visible.Select(c => $"{c.Name} ({c.Type})"))}";
    }

    public override string Identity { get; }

    public override long? Count => data.GetRowCount();

    public override IEnumerable<ScoreInput> Read(string? after, CancellationToken cancellation)
    {
        using DataViewRowCursor cursor = data.GetRowCursor(kept);
        Func<object?>[] readers = Array.ConvertAll(kept, column => RowColumn.Of(column).Reader(cursor, column));
        OutputColumn? name = key is { } named ? OutputColumn.Of(named) : null;
        int place = key is { } at ? Array.FindIndex(kept, column => column.Index == at.Index) : -1;
        var written = new object?[name?.Columns.Count ?? 0];
        long number = 0;
        while (cursor.MoveNext())
        {
            cancellation.ThrowIfCancellationRequested();
            var row = new object?[data.Schema.Count];
            for (int i = 0; i < kept.Length; i++)
                row[kept[i].Index] = readers[i]();
            if (name is not null)
                name.Write(row[kept[place].Index], written);
            object? said = name is null ? number : written[0];
            yield return new ScoreInput(Convert.ToString(said, CultureInfo.InvariantCulture) ?? "", null, [])
            {
                Row = row,
                Bytes = row.Sum(value => value is null ? 0 : RowColumn.BytesOf(value)),
            };
            number++;
        }
    }
}
