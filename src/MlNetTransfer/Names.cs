using System.Collections;
using System.Runtime.CompilerServices;

namespace MlNetTransfer;

/// <summary>
/// A copy of names in their order, for options: it cannot change, and equals another with the same names.
/// </summary>
internal sealed class Names : IReadOnlyList<string>, IEquatable<Names>
{
    private readonly string[] items;

    private Names(string[] items) => this.items = items;

    public int Count => items.Length;

    public string this[int index] => items[index];

    /// <param name="values">The names.</param>
    /// <param name="least">Fewest names to accept.</param>
    /// <param name="name">The property, for the message.</param>
    /// <exception cref="ArgumentException">There are fewer, or one is empty.</exception>
    public static Names Of(IEnumerable<string> values, int least = 0, [CallerMemberName] string name = "")
    {
        ArgumentNullException.ThrowIfNull(values, name);
        string[] items = [.. values.Select(value => Check.NotEmpty(value, name))];
        return items.Length >= least
            ? new Names(items)
            : throw new ArgumentException($"{name} must name at least {least}.", name);
    }

    public bool Equals(Names? other) => other is not null && items.AsSpan().SequenceEqual(other.items);

    public override bool Equals(object? obj) => Equals(obj as Names);

    public override int GetHashCode() =>
        items.Aggregate(0, (hash, item) => HashCode.Combine(hash, item.GetHashCode(StringComparison.Ordinal)));

    public override string ToString() => string.Join(", ", items);

    public IEnumerator<string> GetEnumerator() => items.AsEnumerable().GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
