using System.Globalization;
using System.Text;

namespace MlNetTransfer.Onnx.Torch.Sharp;

/// <summary>C# in pieces: text, and numbers that may differ between modules that are otherwise alike.</summary>
internal sealed class SharpText
{
    private readonly List<(string Text, string Role)> pieces = [];

    /// <summary>The numbers that may differ, in their order.</summary>
    public IEnumerable<(string Text, string Role)> Numbers => pieces.Where(p => p.Role.Length > 0);

    /// <summary>All of it with the places of the numbers named: equal for modules that are alike.</summary>
    public string Skeleton => string.Concat(pieces.Select(p => p.Role.Length > 0 ? $"\u0001{p.Role}\u0001" : p.Text));

    public SharpText Add(string text, string role = "")
    {
        pieces.Add((text, role));
        return this;
    }

    /// <summary>Adds what was written elsewhere, its further lines indented.</summary>
    public SharpText Add(SharpText other, int indent = 0)
    {
        string newLine = "\n" + new string(' ', indent);
        foreach ((string text, string role) in other.pieces)
            pieces.Add((text.Replace("\n", newLine, StringComparison.Ordinal), role));
        return this;
    }

    /// <summary>The text with other numbers.</summary>
    public string With(IReadOnlyList<string> numbers)
    {
        StringBuilder text = new();
        int next = 0;
        foreach ((string piece, string role) in pieces)
            text.Append(role.Length > 0 ? numbers[next++] : piece);
        return text.ToString();
    }

    public override string ToString() => string.Concat(pieces.Select(p => p.Text));

    /// <summary>A number that reads as a float in C#.</summary>
    public static string Float(double value) =>
        double.IsNegativeInfinity(value) ? "float.NegativeInfinity"
        : double.IsPositiveInfinity(value) ? "float.PositiveInfinity"
        : ((float)value).ToString("R", CultureInfo.InvariantCulture) + "f";
}
