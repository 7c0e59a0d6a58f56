using System.Runtime.CompilerServices;

namespace MlNetTransfer;

/// <summary>Checks of arguments and options; each returns the value it accepts.</summary>
internal static class Check
{
    public static double InRange(double value, double low, double high, [CallerMemberName] string name = "") =>
        value >= low && value <= high
            ? value
            : throw new ArgumentOutOfRangeException(
                name,
                value,
                FormattableString.Invariant($"{name} must be in [{low}, {high}].")
            );

    public static int InRange(int value, int low, int high, [CallerMemberName] string name = "") =>
        value >= low && value <= high
            ? value
            : throw new ArgumentOutOfRangeException(
                name,
                value,
                FormattableString.Invariant($"{name} must be in [{low}, {high}].")
            );

    public static long InRange(long value, long low, long high, [CallerMemberName] string name = "") =>
        value >= low && value <= high
            ? value
            : throw new ArgumentOutOfRangeException(
                name,
                value,
                FormattableString.Invariant($"{name} must be in [{low}, {high}].")
            );

    public static string NotEmpty(string? value, [CallerMemberName] string name = "") =>
        !string.IsNullOrWhiteSpace(value) ? value : throw new ArgumentException($"{name} must not be empty.", name);
}
