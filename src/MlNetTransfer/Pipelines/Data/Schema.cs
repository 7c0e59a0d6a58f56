using System.Collections;

namespace MlNetTransfer.Pipelines;

/// <summary>The columns of a data view, in order. Immutable.</summary>
public sealed class Schema : IReadOnlyList<Column>
{
    private readonly Column[] columns;

    /// <summary>Makes a schema.</summary>
    /// <exception cref="ArgumentException">Two columns have one name.</exception>
    public Schema(params IEnumerable<Column> columns)
    {
        this.columns = [.. columns];
        if (this.columns.GroupBy(c => c.Name).FirstOrDefault(g => g.Count() > 1) is { } twice) throw new ArgumentException($"Column '{twice.Key}' is there twice; names must differ.", nameof(columns));
    }

    /// <inheritdoc/>
    public int Count => columns.Length;

    /// <inheritdoc/>
    public Column this[int index] => columns[index];

    /// <summary>The column of a name.</summary>
    /// <exception cref="SchemaException">There is none; the message lists those there are.</exception>
    public Column this[string name] => Find(name) ?? throw new SchemaException($"there is no column '{name}'; the columns are {this}.");

    /// <summary>The column of a name; null where there is none.</summary>
    public Column? Find(string name) => Array.Find(columns, c => c.Name == name);

    /// <summary>The schema with one more column, or with a column of the data replaced by one of the same name that a step makes from it.</summary>
    /// <param name="column">The column; made by a step.</param>
    /// <exception cref="SchemaException">Another step makes a column of this name already.</exception>
    public Schema With(Column column)
    {
        if (Find(column.Name) is { MadeBy: { } other })
            throw new SchemaException($"it would write column '{column.Name}', which {other} makes already. Give one of them another output column.");
        return new Schema([.. columns.Where(c => c.Name != column.Name), column]);
    }

    /// <summary>The column of a name, checked.</summary>
    /// <param name="name">The name.</param>
    /// <param name="fix">What to do where it is missing or of another type, as a sentence.</param>
    /// <param name="kinds">Kinds that are accepted.</param>
    /// <exception cref="SchemaException">There is none, or it is of another kind.</exception>
    internal Column Require(string name, string fix, params ReadOnlySpan<ColumnKind> kinds)
    {
        Column column = Find(name) ?? throw new SchemaException($"it reads column '{name}', which is not there; the columns are {this}.{Nearest(name)} {fix}");
        return kinds.Contains(column.Type.Kind) ? column : throw new SchemaException($"column '{name}' is {column.Type}; {string.Join(" or ", kinds.ToArray())} was expected. {fix}");
    }

    /// <inheritdoc/>
    public IEnumerator<Column> GetEnumerator() => columns.AsEnumerable().GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <inheritdoc/>
    public override string ToString() => columns.Length == 0 ? "none" : string.Join(", ", columns.Select(c => $"{c.Name} ({c.Type})"));

    private string Nearest(string name) =>
        columns.FirstOrDefault(c => string.Equals(c.Name, name, StringComparison.OrdinalIgnoreCase)) is { } near ? $" Did you mean '{near.Name}'?" : "";
}
