using System.Text.Json;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Jobs;

/// <summary>Finds out what is in a file of weights alone.</summary>
/// <param name="path">The file: .pt, .pth, .dat or .safetensors.</param>
internal sealed class WeightsInspection(string path)
{
    public ModelReport Run()
    {
        NamedTensors weights = TorchWeights.Read(path);
        List<string> notes = [];
        return ModelReport.Of(path, Entries(weights, notes)) with
        {
            Tensors =
            [
                .. weights
                    .Tensors.OrderBy(t => t.Key, StringComparer.Ordinal)
                    .Select(t => new TensorReport(t.Key, $"{t.Value.Type} [{string.Join(", ", t.Value.Shape)}]")),
            ],
            Parameters = weights.Tensors.Values.Sum(t => t.Shape.Aggregate(1L, (a, b) => a * b)),
            WeightBytes = weights.Tensors.Values.Sum(t => (long)t.Data.Length),
            Notes = notes,
        };
    }

    /// <summary>
    /// What an export said of the weights: in a .safetensors itself, of the formats of torch in the .json beside them.
    /// </summary>
    private IReadOnlyDictionary<string, string> Entries(NamedTensors weights, List<string> notes)
    {
        if (Path.GetExtension(path).Equals(".safetensors", StringComparison.OrdinalIgnoreCase))
            return weights.Metadata ?? SafetensorsFile.Load(path).Metadata;
        string beside = path + ".json";
        if (!File.Exists(beside))
            return new Dictionary<string, string>();
        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(beside));
            Dictionary<string, string> entries =
                json.RootElement.GetProperty("metadata").Deserialize<Dictionary<string, string>>() ?? [];
            entries[ExportRecord.Key] = json.RootElement.GetProperty("parity").GetRawText();
            return entries;
        }
        catch (Exception e)
            when (e
                    is JsonException
                        or KeyNotFoundException
                        or InvalidOperationException
                        or IOException
                        or UnauthorizedAccessException
            )
        {
            notes.Add($"'{beside}' is not what an export writes beside weights: {e.Message}");
            return new Dictionary<string, string>();
        }
    }
}
