using System.Runtime.CompilerServices;

namespace MlNetTransfer;

/// <summary>What a column may be called so that the stock OnnxTransformer gives it that name.</summary>
internal static class ColumnName
{
    /// <summary>OnnxTransformer cuts this off the end of a tensor's name.</summary>
    private const string Suffix = ".output";

    public static string Checked(string? value, [CallerMemberName] string name = "")
    {
        if (string.IsNullOrWhiteSpace(value))
            throw new ArgumentException($"{name} must not be empty.", name);
        if (value.EndsWith(Suffix, StringComparison.Ordinal) || value.StartsWith("mlnet.", StringComparison.Ordinal))
            throw new ArgumentException(
                $"{name} is '{value}'; a column that ONNX models read or write cannot end in '{Suffix}' or start "
                    + "with 'mlnet.'. Choose another name.",
                name
            );
        return value;
    }
}
