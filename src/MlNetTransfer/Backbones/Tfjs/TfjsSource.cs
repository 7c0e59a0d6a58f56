using System.Text;
using System.Text.Json;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>
/// The files of a TF.js model: topology and weights, as model.json with binary shards or as JavaScript modules.
/// </summary>
internal sealed class TfjsSource : IDisposable
{
    private readonly JsonDocument model;

    private TfjsSource(string file, JsonDocument model, IReadOnlyDictionary<string, TfTensor> weights) =>
        (File, this.model, Weights) = (file, model, weights);

    /// <summary>The model file, for errors.</summary>
    public string File { get; }

    public JsonElement Root => model.RootElement;

    public JsonElement Topology =>
        Root.TryGetProperty("modelTopology", out JsonElement topology) && topology.ValueKind == JsonValueKind.Object
            ? topology
            : throw new TfjsException($"{File} has no modelTopology; expected a TF.js model (model.json).");

    public IReadOnlyDictionary<string, TfTensor> Weights { get; }

    /// <summary>Reads a model.</summary>
    /// <param name="modelFile">Path of model.json or of the module that exports it.</param>
    /// <param name="shardFiles">Paths of the weight shards; a shard's file name is its name in the manifest, with any
    /// extension added.</param>
    public static TfjsSource Read(string modelFile, IReadOnlyCollection<string> shardFiles)
    {
        string text = System.IO.File.ReadAllText(modelFile, Encoding.UTF8);
        JsonDocument model = Parse(text, modelFile);
        try
        {
            return new TfjsSource(
                modelFile,
                model,
                TfjsWeights.Read(model.RootElement, modelFile, path => Shard(path, shardFiles, modelFile))
            );
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public void Dispose() => model.Dispose();

    private static JsonDocument Parse(string text, string file)
    {
        try
        {
            return text.AsSpan().TrimStart() is ['{', ..]
                ? JsonDocument.Parse(text)
                : JavaScriptModule.ExportedObject(text, file);
        }
        catch (JsonException cause)
        {
            throw new TfjsException(
                $"{file} is not a TF.js model: {cause.Message} Expected model.json, or a JavaScript module that "
                    + $"exports it.",
                cause
            );
        }
    }

    private static byte[] Shard(string path, IReadOnlyCollection<string> files, string modelFile)
    {
        string[] found =
        [
            .. files.Where(f =>
                Path.GetFileName(f) is { } name
                && (name == path || name.StartsWith(path + ".", StringComparison.Ordinal))
            ),
        ];
        if (found.Length != 1)
            throw new TfjsException(
                $"{modelFile} names the weight shard '{path}'; found "
                    + $"{(found.Length == 0 ? "no such file" : string.Join(" and ", found))} among "
                    + $"{string.Join(", ", files.Select(Path.GetFileName))}. Expected exactly one."
            );
        return found[0].EndsWith(".js", StringComparison.OrdinalIgnoreCase)
            ? JavaScriptModule.ExportedBytes(System.IO.File.ReadAllText(found[0], Encoding.ASCII), found[0])
            : System.IO.File.ReadAllBytes(found[0]);
    }
}
