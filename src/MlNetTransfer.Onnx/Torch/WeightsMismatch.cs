using System.Globalization;

namespace MlNetTransfer.Onnx.Torch;

/// <summary>How weights and a model differ in names and shapes.</summary>
/// <param name="Missing">What the model has and the weights lack, for example "layer1.0.conv1.weight [64, 64, 3,
/// 3]".</param>
/// <param name="Unknown">What the weights have and the model lacks.</param>
/// <param name="Different">What both have, in different shapes.</param>
public sealed record WeightsMismatch(
    IReadOnlyList<string> Missing,
    IReadOnlyList<string> Unknown,
    IReadOnlyList<string> Different
)
{
    private const int Most = 10;

    /// <summary>Whether nothing differs.</summary>
    public bool IsEmpty => Missing.Count + Unknown.Count + Different.Count == 0;

    /// <summary>The differences, the first ten of each kind.</summary>
    public override string ToString() =>
        string.Join(
            "; ",
            new[] { ("missing", Missing), ("not in the model", Unknown), ("of another shape", Different) }
                .Where(k => k.Item2.Count > 0)
                .Select(k => List(k.Item1, k.Item2))
        );

    private static string List(string kind, IReadOnlyList<string> names) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{names.Count} {kind}: {string.Join(", ", names.Take(Most))}{(names.Count > Most ? ", ..." : "")}"
        );
}
