using System.Globalization;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Layers;

/// <summary>Numbers as text.</summary>
internal static class Text
{
    public static SharpArgument Number(string name, long value, string role) =>
        new(name, value.ToString(CultureInfo.InvariantCulture), role);

    /// <summary>
    /// A number that is read as a floating point number in Python and, when finite, in C#. A float32 is written with
    /// the digits that name it.
    /// </summary>
    public static string Real(double value)
    {
        if (!double.IsFinite(value))
            return double.IsNaN(value) ? "float(\"nan\")"
                : value > 0 ? "float(\"inf\")"
                : "float(\"-inf\")";
        string text =
            (float)value == value
                ? ((float)value).ToString("R", CultureInfo.InvariantCulture)
                : value.ToString("R", CultureInfo.InvariantCulture);
        return text.Contains('.', StringComparison.Ordinal) ? text
            : text.Contains('E', StringComparison.Ordinal) ? text.Replace("E", ".0E", StringComparison.Ordinal)
            : text + ".0";
    }
}
