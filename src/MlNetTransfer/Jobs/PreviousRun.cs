using System.Text.Json;

namespace MlNetTransfer.Jobs;

/// <summary>What the report of the model that a run replaced says of it.</summary>
/// <param name="Accuracy">Its accuracy, in [0, 1].</param>
/// <param name="AccuracyInterval">The 95 % interval of that [low, high].</param>
/// <param name="TestImages">Images that it was evaluated on.</param>
public sealed record PreviousRun(double Accuracy, IReadOnlyList<double> AccuracyInterval, int TestImages)
{
    /// <summary>Reads the report beside a model; null where there is no model, or no report that can be read.</summary>
    internal static PreviousRun? Of(string folder)
    {
        string report = Path.Combine(folder, "report.json");
        if (!File.Exists(Path.Combine(folder, "model.onnx")) || !File.Exists(report))
            return null;
        try
        {
            PreviousRun? found = JsonSerializer.Deserialize<PreviousRun>(
                File.ReadAllBytes(report),
                JsonSerializerOptions.Web
            );
            return
                found is { TestImages: > 0, Accuracy: >= 0 and <= 1, AccuracyInterval: [>= 0 and <= 1, >= 0 and <= 1] }
                ? found
                : null;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            // The comparison is a courtesy; the new model does not depend on it.
            return null;
        }
    }
}
