using System.Runtime.CompilerServices;

namespace MlNetTransfer;

/// <summary>Checks of arguments and options; each returns the value it accepts.</summary>
internal static class Check
{
    public static double InRange(double value, double low, double high, [CallerMemberName] string name = "") =>
        value >= low && value <= high ? value : throw new OutOfRangeException(name, value, low, high);

    public static int InRange(int value, int low, int high, [CallerMemberName] string name = "") =>
        value >= low && value <= high ? value : throw new OutOfRangeException(name, value, low, high);

    public static long InRange(long value, long low, long high, [CallerMemberName] string name = "") =>
        value >= low && value <= high ? value : throw new OutOfRangeException(name, value, low, high);

    public static string NotEmpty(string? value, [CallerMemberName] string name = "") =>
        !string.IsNullOrWhiteSpace(value) ? value : throw new ArgumentException($"{name} must not be empty.", name);
}

/// <summary>A number that is outside the range that a property or a parameter takes.</summary>
/// <param name="name">The property or parameter.</param>
/// <param name="value">The number.</param>
/// <param name="low">The least that it takes.</param>
/// <param name="high">The greatest that it takes.</param>
public sealed class OutOfRangeException(string name, IFormattable value, IFormattable low, IFormattable high)
    : ArgumentOutOfRangeException(name, value, FormattableString.Invariant($"{name} must be in [{low}, {high}]."))
{
    /// <summary>The least that is taken.</summary>
    public IFormattable Low { get; } = low;

    /// <summary>The greatest that is taken.</summary>
    public IFormattable High { get; } = high;
}
