using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Jobs;

/// <summary>Writes a job's summary as JSON, whole or not at all.</summary>
internal static class ReportFile
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public static void Write<T>(string path, T summary) =>
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, summary, Json));
}
