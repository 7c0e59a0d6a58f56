using System.Security.Cryptography;
using System.Text.Json;
using MlNetTransfer.Graphs.Torch;
using MlNetTransfer.Graphs.Weights;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;

namespace MlNetTransfer.Jobs;

/// <summary>Finds out what is in a file of weights alone.</summary>
/// <param name="path">The file: .pt, .pth, .dat or .safetensors.</param>
internal sealed class WeightsInspection(string path)
{
    public ModelReport Run()
    {
        IReadOnlyDictionary<string, SafeTensor> tensors = TorchWeights.Read(path).Tensors;
        List<string> notes = [];
        Dictionary<string, string> entries = Entries(notes);
        using FileStream stream = File.OpenRead(path);
        return new ModelReport
        {
            File = path,
            Bytes = stream.Length,
            Sha256 = Convert.ToHexStringLower(SHA256.HashData(stream)),
            Producer = "",
            IrVersion = null,
            OperatorSets = new Dictionary<string, long>(),
            Inputs = [],
            Outputs = [],
            Operators = new Dictionary<string, int>(),
            Tensors = [.. tensors.OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => new TensorReport(t.Key, $"{t.Value.Type} [{string.Join(", ", t.Value.Shape)}]"))],
            Parameters = tensors.Values.Sum(t => t.Shape.Aggregate(1L, (a, b) => a * b)),
            WeightBytes = tensors.Values.Sum(t => (long)t.Data.Length),
            MultiplyAdds = null,
            Metadata = ModelMetadata.IsOurs(entries) ? ModelMetadata.FromEntries(path, entries) : null,
            Parity = entries.TryGetValue(ExportRecord.Key, out string? record) ? ExportRecord.FromJson(path, record) : null,
            OtherMetadata = entries.Where(e => !e.Key.StartsWith(ModelMetadata.Prefix, StringComparison.Ordinal)).ToDictionary(),
            Notes = notes,
        };
    }

    /// <summary>What an export said of the weights: in a .safetensors itself, of the formats of torch in the .json beside them.</summary>
    private Dictionary<string, string> Entries(List<string> notes)
    {
        if (Path.GetExtension(path).Equals(".safetensors", StringComparison.OrdinalIgnoreCase)) return SafetensorsFile.Load(path).Metadata.ToDictionary();
        string beside = path + ".json";
        if (!File.Exists(beside)) return [];
        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(beside));
            Dictionary<string, string> entries = json.RootElement.GetProperty("metadata").Deserialize<Dictionary<string, string>>() ?? [];
            entries[ExportRecord.Key] = json.RootElement.GetProperty("parity").GetRawText();
            return entries;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            notes.Add($"'{beside}' is not what an export writes beside weights: {e.Message}");
            return [];
        }
    }
}
