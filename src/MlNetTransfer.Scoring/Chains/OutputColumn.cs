using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MlNetTransfer.Scoring.Chains;

/// <summary>
/// What a column of ML.NET is in the rows of a batch: one column, or one for each named place of a vector.
/// </summary>
internal sealed class OutputColumn
{
    /// <summary>The most named places that become columns.</summary>
    private const int MostSlots = 1000;

    private readonly Action<object?, Span<object?>> write;

    private OutputColumn(string name, IReadOnlyList<ScoreColumn> columns, Action<object?, Span<object?>> write) =>
        (Name, Columns, this.write) = (name, columns, write);

    /// <summary>Name of the column.</summary>
    public string Name { get; }

    /// <summary>The columns that it becomes.</summary>
    public IReadOnlyList<ScoreColumn> Columns { get; }

    /// <summary>Whether it becomes numbers side by side that have no names.</summary>
    public bool IsVector => Columns is [{ Type: ColumnType.Vector }];

    /// <summary>Writes a value of the column.</summary>
    public void Write(object? value, Span<object?> row) => write(value, row[..Columns.Count]);

    /// <summary>A column's; null where rows cannot have its type.</summary>
    public static OutputColumn? Of(DataViewSchema.Column column)
    {
        string name = column.Name;
        return column.Type switch
        {
            TextDataViewType => One(ColumnType.Text, value => ((ReadOnlyMemory<char>)value).ToString()),
            BooleanDataViewType => One(ColumnType.Flag, value => value),
            KeyDataViewType key => Key(key),
            NumberDataViewType number => Number(number.RawType),
            DateTimeDataViewType or DateTimeOffsetDataViewType => One(
                ColumnType.Text,
                value => ((IFormattable)value).ToString("o", CultureInfo.InvariantCulture)
            ),
            TimeSpanDataViewType => One(ColumnType.Text, value => ((TimeSpan)value).ToString("c")),
            VectorDataViewType { Size: > 0 } vector when vector.ItemType == NumberDataViewType.Single => Vector(
                vector.Size,
                (float value) => value
            ),
            VectorDataViewType { Size: > 0 } vector when vector.ItemType == NumberDataViewType.Double => Vector(
                vector.Size,
                (double value) => (float)value
            ),
            _ => null,
        };

        OutputColumn One(ColumnType type, Func<object, object?> convert) =>
            new(name, [new ScoreColumn(name, type)], (value, row) => row[0] = value is null ? null : convert(value));

        OutputColumn Number(Type type)
        {
            if (type == typeof(float))
                return One(ColumnType.Number, value => float.IsFinite((float)value) ? value : null);
            if (type == typeof(double))
                return One(ColumnType.Double, value => double.IsFinite((double)value) ? value : null);
            if (type == typeof(ulong))
                return One(ColumnType.Text, value => ((ulong)value).ToString(CultureInfo.InvariantCulture));
            return One(ColumnType.Integer, value => Convert.ToInt64(value, CultureInfo.InvariantCulture));
        }

        OutputColumn Key(KeyDataViewType key)
        {
            string[]? names = Names(column, "KeyValues", (int)Math.Min(key.Count, int.MaxValue));
            return names is null
                ? One(ColumnType.Integer, value => Place(value) is var place && place == 0 ? null : place)
                : One(
                    ColumnType.Text,
                    value => Place(value) is var place && place == 0 ? null : names[checked((int)place - 1)]
                );

            static long Place(object value) => Convert.ToInt64(value, CultureInfo.InvariantCulture);
        }

        OutputColumn Vector<T>(int size, Func<T, float> convert)
        {
            string[]? slots = size <= MostSlots ? Names(column, "SlotNames", size) : null;
            if (slots is null)
                return One(ColumnType.Vector, value => Dense((VBuffer<T>)value, convert));
            return new OutputColumn(
                name,
                [.. slots.Select(slot => new ScoreColumn($"{name}_{slot}", ColumnType.Number))],
                (value, row) =>
                {
                    float[]? numbers = value is null ? null : Dense((VBuffer<T>)value, convert);
                    for (int i = 0; i < row.Length; i++)
                        row[i] = numbers is not null && float.IsFinite(numbers[i]) ? numbers[i] : null;
                }
            );
        }
    }

    private static float[] Dense<T>(VBuffer<T> values, Func<T, float> convert) =>
        [.. values.DenseValues().Select(convert)];

    /// <summary>An annotation of names, all of them there and different; null where it has none.</summary>
    private static string[]? Names(DataViewSchema.Column column, string kind, int count)
    {
        if (
            column.Annotations.Schema.GetColumnOrNull(kind)?.Type
            is not VectorDataViewType { ItemType: TextDataViewType }
        )
            return null;
        VBuffer<ReadOnlyMemory<char>> names = default;
        column.Annotations.GetValue(kind, ref names);
        string[] all = [.. names.DenseValues().Select(name => name.ToString())];
        return all.Length == count && all.All(name => name.Length > 0) && all.Distinct().Count() == count ? all : null;
    }
}
