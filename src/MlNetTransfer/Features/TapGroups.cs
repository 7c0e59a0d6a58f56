namespace MlNetTransfer.Features;

/// <summary>
/// Which features of a row come from which tap: the taps' features stand one after the other. Immutable.
/// </summary>
public sealed record TapGroups
{
    /// <summary>Describes rows made of several taps.</summary>
    /// <param name="names">Names of the taps [taps], at least one.</param>
    /// <param name="widths">Features of each [taps], at least 1.</param>
    /// <exception cref="ArgumentException">There is no tap, the lengths differ, or a width is below 1.</exception>
    public TapGroups(IReadOnlyList<string> names, IReadOnlyList<int> widths)
    {
        if (names.Count == 0 || names.Count != widths.Count)
            throw new ArgumentException(
                $"{names.Count} names and {widths.Count} widths of taps were given; there must be as many of both, "
                    + $"and at least 1.",
                nameof(widths)
            );
        if (widths.Any(width => width < 1))
            throw new ArgumentException(
                $"Tap '{names[widths.ToList().FindIndex(width => width < 1)]}' has no feature; a tap has at least 1.",
                nameof(widths)
            );
        (Names, Widths) = ([.. names], [.. widths]);
    }

    /// <summary>Names of the taps [taps].</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Features of each tap [taps].</summary>
    public IReadOnlyList<int> Widths { get; }

    /// <summary>Features of a whole row.</summary>
    public int Width => Widths.Sum();
}
