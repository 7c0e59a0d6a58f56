namespace MlNetTransfer.Pipelines;

/// <summary>Some neighbouring rows of a data view, column by column. It belongs to whoever read it; the view does not touch it again.</summary>
public sealed class DataBatch
{
    private readonly Dictionary<string, (ColumnType Type, Array Values)> columns = new(StringComparer.Ordinal);
    private readonly long[] rowNumbers;

    /// <summary>Makes a batch without columns.</summary>
    /// <param name="rowNumbers">Number of each row in the data that the view began with, counted from 0 [rows].</param>
    public DataBatch(params long[] rowNumbers) => this.rowNumbers = rowNumbers;

    /// <summary>Rows in this batch.</summary>
    public int Rows => rowNumbers.Length;

    /// <summary>Number of each row in the data that the view began with, counted from 0 [rows].</summary>
    public ReadOnlySpan<long> RowNumbers => rowNumbers;

    /// <summary>The values of a column [rows], of a vector [rows × width], row-major.</summary>
    /// <typeparam name="T">As <see cref="ColumnKind"/> says: string, byte[], Func&lt;Stream&gt;, ImageItem, int or float.</typeparam>
    /// <exception cref="SchemaException">The batch was read without this column, or it holds other values.</exception>
    public ReadOnlySpan<T> Column<T>(string name) => Values<T>(name);

    /// <summary>As <see cref="Column"/>, the array itself.</summary>
    internal T[] Values<T>(string name)
    {
        if (!columns.TryGetValue(name, out (ColumnType Type, Array Values) column)) throw new SchemaException($"Column '{name}' was not read; the batch has {string.Join(", ", columns.Keys)}. Name it when reading.");
        return column.Values is T[] values ? values : throw new SchemaException($"Column '{name}' is {column.Type} and holds {column.Values.GetType().GetElementType()!.Name}, not {typeof(T).Name}.");
    }

    internal ColumnType TypeOf(string name) => columns[name].Type;

    /// <summary>Sets the values of a column; one of the same name is replaced.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">Its type.</param>
    /// <param name="values">An array of what <see cref="ColumnKind"/> says [rows], of a vector [rows × width]; kept, not copied.</param>
    /// <exception cref="ArgumentException">The number of values does not fit.</exception>
    public void Set(string name, ColumnType type, Array values)
    {
        int expected = Rows * (type.Kind == ColumnKind.Vector ? type.Width : 1);
        if (values.Length != expected) throw new ArgumentException($"Column '{name}' of type {type} needs {expected} values for {Rows} rows, not {values.Length}.", nameof(values));
        columns[name] = (type, values);
    }

    /// <summary>A batch of some rows; the values are copied.</summary>
    /// <param name="rows">Indices into this batch, ascending.</param>
    internal DataBatch Select(IReadOnlyList<int> rows)
    {
        var selected = new DataBatch([.. rows.Select(r => rowNumbers[r])]);
        foreach ((string name, (ColumnType type, Array values)) in columns)
        {
            int width = type.Kind == ColumnKind.Vector ? type.Width : 1;
            var kept = Array.CreateInstance(values.GetType().GetElementType()!, rows.Count * width);
            for (int i = 0; i < rows.Count; i++) Array.Copy(values, rows[i] * width, kept, i * width, width);
            selected.columns[name] = (type, kept);
        }

        return selected;
    }

    /// <summary>The batch with no other than the given columns.</summary>
    internal DataBatch Only(IReadOnlyCollection<string> names)
    {
        foreach (string other in columns.Keys.Where(name => !names.Contains(name)).ToArray()) columns.Remove(other);
        return this;
    }
}
