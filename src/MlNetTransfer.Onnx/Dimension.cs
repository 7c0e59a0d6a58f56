namespace MlNetTransfer.Onnx;

/// <summary>
/// One dimension of a tensor's shape: a size, or a name for a size that is known only when the graph runs. Converts
/// from both, so a shape reads <c>["N", 3, 224, 224]</c>.
/// </summary>
/// <param name="Size">The size, 0 or more; null for a dynamic dimension.</param>
/// <param name="Symbol">Name of a dynamic dimension; null where it has none, or where the size is fixed.</param>
public readonly record struct Dimension(long? Size, string? Symbol = null)
{
    /// <summary>A fixed size.</summary>
    public static implicit operator Dimension(long size) => new(size);

    /// <summary>A dynamic dimension with a name; equal names are equal sizes.</summary>
    public static implicit operator Dimension(string symbol) => new(null, symbol);

    /// <summary>The size, the name, or "?".</summary>
    public override string ToString() =>
        Size is { } size ? size.ToString(System.Globalization.CultureInfo.InvariantCulture) : Symbol ?? "?";

    /// <summary>The size, or -1 for a dynamic dimension, as ONNX Runtime reports it.</summary>
    public long SizeOrMinusOne => Size ?? -1;
}
