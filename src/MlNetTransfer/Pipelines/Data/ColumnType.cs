using MlNetTransfer.Features;

namespace MlNetTransfer.Pipelines;

/// <summary>Type of a column. Immutable.</summary>
public sealed class ColumnType
{
    private ColumnType(ColumnKind kind) => Kind = kind;

    /// <summary>Text.</summary>
    public static ColumnType Text { get; } = new(ColumnKind.Text);

    /// <summary>Encoded images in memory.</summary>
    public static ColumnType Bytes { get; } = new(ColumnKind.Bytes);

    /// <summary>Encoded images behind streams.</summary>
    public static ColumnType Stream { get; } = new(ColumnKind.Stream);

    /// <summary>Images of any size.</summary>
    public static ColumnType Image { get; } = new(ColumnKind.Image);

    /// <summary>Numbers.</summary>
    public static ColumnType Number { get; } = new(ColumnKind.Number);

    /// <summary>What the values are.</summary>
    public ColumnKind Kind { get; }

    /// <summary>Of a vector, its dimensions, e.g. [3, 224, 224]; of images of one size, [height, width]; else empty.</summary>
    public IReadOnlyList<int> Shape { get; private init; } = [];

    /// <summary>Of a key, the classes that it counts, or null while the column has not been fitted; else null.</summary>
    public IReadOnlyList<string>? ClassNames { get; private init; }

    /// <summary>Of bottleneck features, which of them come from which tap; else null.</summary>
    public TapGroups? Taps { get; private init; }

    /// <summary>Of features of several taps, the one to take where there are too few rows to compare them.</summary>
    internal string? DefaultTap { get; private init; }

    /// <summary>Floats per row: the product of a vector's shape, 1 for a number; else 0.</summary>
    public int Width => Kind switch
    {
        ColumnKind.Vector => Shape.Aggregate(1, (a, b) => checked(a * b)),
        ColumnKind.Number => 1,
        _ => 0,
    };

    /// <summary>Images of one size, already resized.</summary>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    public static ColumnType ImageOf(int height, int width) => new(ColumnKind.Image) { Shape = [Check.InRange(height, 1, 1 << 30), Check.InRange(width, 1, 1 << 30)] };

    /// <summary>Classes.</summary>
    /// <param name="classNames">Names [classes]; the index is the value. Null: to be found by a fit.</param>
    public static ColumnType Key(IReadOnlyList<string>? classNames) => new(ColumnKind.Key) { ClassNames = classNames is null ? null : [.. classNames] };

    /// <summary>Vectors.</summary>
    /// <param name="shape">Dimensions, each at least 1; row-major.</param>
    public static ColumnType Vector(params IReadOnlyList<int> shape) =>
        shape.Count > 0 && shape.All(d => d > 0) ? new ColumnType(ColumnKind.Vector) { Shape = [.. shape] } : throw new ArgumentException($"A vector's shape must have at least one dimension, each at least 1; found [{string.Join(", ", shape)}].", nameof(shape));

    internal static ColumnType Features(TapGroups taps, string defaultTap) => new(ColumnKind.Vector) { Shape = [taps.Width], Taps = taps, DefaultTap = defaultTap };

    /// <inheritdoc/>
    public override string ToString() => Kind switch
    {
        ColumnKind.Key => ClassNames is null ? "Key" : $"Key of {ClassNames.Count} classes",
        ColumnKind.Image when Shape.Count > 0 => $"Image of {Shape[1]} x {Shape[0]}",
        ColumnKind.Vector => $"Vector [{string.Join(", ", Shape)}]",
        _ => Kind.ToString(),
    };
}
