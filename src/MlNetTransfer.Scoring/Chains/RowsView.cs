using Microsoft.ML;
using Microsoft.ML.Data;

namespace MlNetTransfer.Scoring.Chains;

/// <summary>Rows in memory as data of ML.NET: each a value per column of a schema.</summary>
/// <param name="columns">Reads and gives the values.</param>
/// <param name="rows">The rows.</param>
internal sealed class RowsView(RowColumns columns, IReadOnlyList<object?[]> rows) : IDataView
{
    public bool CanShuffle => false;

    public DataViewSchema Schema => columns.Schema;

    public long? GetRowCount() => rows.Count;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) =>
        new Cursor(columns, rows, [.. columnsNeeded.Select(c => c.Index)]);

    public DataViewRowCursor[] GetRowCursorSet(
        IEnumerable<DataViewSchema.Column> columnsNeeded,
        int n,
        Random? rand = null
    ) => [GetRowCursor(columnsNeeded, rand)];

    private sealed class Cursor(RowColumns columns, IReadOnlyList<object?[]> rows, HashSet<int> active)
        : DataViewRowCursor
    {
        private int at = -1;

        public override DataViewSchema Schema => columns.Schema;

        public override long Position => at;

        public override long Batch => 0;

        public override bool IsColumnActive(DataViewSchema.Column column) => active.Contains(column.Index);

        public override ValueGetter<DataViewRowId> GetIdGetter() =>
            (ref DataViewRowId id) => id = new DataViewRowId((ulong)at, 0);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) =>
            (ValueGetter<TValue>)columns[column.Index].Getter(() => rows[at][column.Index]);

        public override bool MoveNext()
        {
            if (at < rows.Count)
                at++;
            return at < rows.Count;
        }
    }
}

/// <summary>Copies values out of the columns of a schema, whatever their types, and gives them back.</summary>
internal sealed class RowColumns
{
    private readonly RowColumn[] columns;

    /// <param name="schema">The schema.</param>
    public RowColumns(DataViewSchema schema) => (Schema, columns) = (schema, [.. schema.Select(RowColumn.Of)]);

    /// <summary>The schema.</summary>
    public DataViewSchema Schema { get; }

    /// <summary>A column, by its place.</summary>
    public RowColumn this[int index] => columns[index];
}

/// <summary>Copies the values of a column, and gives them back.</summary>
internal abstract class RowColumn
{
    /// <summary>A column's.</summary>
    public static RowColumn Of(DataViewSchema.Column column)
    {
        Type raw = column.Type.RawType;
        Type kind =
            raw.IsGenericType && raw.GetGenericTypeDefinition() == typeof(VBuffer<>)
                ? typeof(VectorColumn<>).MakeGenericType(raw.GetGenericArguments())
                : typeof(ScalarColumn<>).MakeGenericType(raw);
        return (RowColumn)Activator.CreateInstance(kind)!;
    }

    /// <summary>What gives a copy of the value at a row's place.</summary>
    public abstract Func<object?> Reader(DataViewRow row, DataViewSchema.Column column);

    /// <summary>A <see cref="ValueGetter{TValue}"/> of the column's type over copies; null is its default.</summary>
    public abstract Delegate Getter(Func<object?> copy);

    /// <summary>What a copy takes in memory, about.</summary>
    public static long BytesOf(object copy) =>
        copy switch
        {
            VBuffer<byte> bytes => bytes.GetValues().Length,
            VBuffer<float> numbers => 4L * numbers.GetValues().Length,
            VBuffer<double> numbers => 8L * numbers.GetValues().Length,
            ReadOnlyMemory<char> text => 2L * text.Length,
            _ => 8,
        };

    private sealed class ScalarColumn<T> : RowColumn
    {
        public override Func<object?> Reader(DataViewRow row, DataViewSchema.Column column)
        {
            ValueGetter<T> getter = row.GetGetter<T>(column);
            return () =>
            {
                T value = default!;
                getter(ref value);
                // The memory of a text may be used again for the next row.
                return value is ReadOnlyMemory<char> text ? text.ToString().AsMemory() : value;
            };
        }

        public override Delegate Getter(Func<object?> copy) =>
            (ValueGetter<T>)((ref T value) => value = copy() is T known ? known : default!);
    }

    private sealed class VectorColumn<T> : RowColumn
    {
        public override Func<object?> Reader(DataViewRow row, DataViewSchema.Column column)
        {
            ValueGetter<VBuffer<T>> getter = row.GetGetter<VBuffer<T>>(column);
            return () =>
            {
                VBuffer<T> value = default;
                getter(ref value);
                VBuffer<T> copy = default;
                value.CopyTo(ref copy);
                return copy;
            };
        }

        public override Delegate Getter(Func<object?> copy) =>
            (ValueGetter<VBuffer<T>>)(
                (ref VBuffer<T> value) =>
                {
                    // Whoever asks may write into what it gets.
                    if (copy() is VBuffer<T> known)
                        known.CopyTo(ref value);
                    else
                        value = default;
                }
            );
    }
}
