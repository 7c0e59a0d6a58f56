using System.Runtime.CompilerServices;

namespace MlNetTransfer.Onnx.Training;

/// <summary>Checks of options.</summary>
internal static class Range
{
    public static double Check(double value, double low, double high, [CallerMemberName] string name = "") =>
        value >= low && value <= high
            ? value
            : throw new ArgumentOutOfRangeException(
                name,
                value,
                FormattableString.Invariant($"{name} must be in [{low}, {high}].")
            );
}
