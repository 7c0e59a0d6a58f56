using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Torch;

namespace MlNetTransfer.Models.Exports;

/// <summary>An export for torch: its files, and what they cannot say of themselves in a .json beside them.</summary>
/// <param name="request">What it is made of.</param>
/// <param name="format">Name of the format.</param>
/// <param name="options">What is exported.</param>
/// <param name="write">Writes the files.</param>
internal sealed class TorchExport(
    ExportRequest request,
    string format,
    TorchExportOptions options,
    Action<string> write
) : IExport
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>Probabilities, or the logits where they were asked for.</summary>
    public static TorchExportOptions OptionsOf(ExportRequest request) =>
        request.WithFeatures
            ? throw new TransferException(
                "An export for torch gives one output: the probabilities, or with --logits the logits. Leave "
                    + "--features out."
            )
            : new TorchExportOptions
            {
                Output = request.WithLogits
                    ? ExportGraph.LogitsOf(request.File, request.Model)
                    : TransferModel.ProbabilitiesOutput,
            };

    public void Save(string path, ExportRecord? record)
    {
        write(path);
        if (record is null)
            return;
        var facts = new
        {
            Format = format,
            Input = $"{request.Input}: float32 [N, 3, {request.Metadata.Preprocessing.Size}, "
                + $"{request.Metadata.Preprocessing.Size}] after the preprocessing",
            Output = request.WithLogits ? ExportGraph.LogitsOutput : TransferModel.ProbabilitiesOutput,
            Metadata = request.Metadata.ToEntries().ToDictionary(),
            Parity = record,
        };
        AtomicFile.Write(path + ".json", stream => JsonSerializer.Serialize(stream, facts, Json));
    }

    public IExportScorer Open(string path) =>
        new OnnxScorer(request.Model.WithWeights(TorchWeights.Read(path), options), request.Metadata, request.Limits);
}
