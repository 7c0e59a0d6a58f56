using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using MlNetTransfer.Onnx;

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
        // A browser writes "./weights.bin".
        path = path.StartsWith("./", StringComparison.Ordinal) ? path[2..] : path;
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

/// <summary>
/// Reads the weights of a TF.js model. Each group's shards are one run of bytes, in the order of the manifest; weights
/// lie in it one after another. Quantised weights (uint8, uint16) are q · scale + min, of biases and batch-norm
/// statistics too; float16 is widened. Source: TensorFlow.js, io/types.ts (WeightsManifestEntry).
/// </summary>
internal static class TfjsWeights
{
    public static Dictionary<string, TfTensor> Read(JsonElement model, string file, Func<string, byte[]> shard)
    {
        Dictionary<string, TfTensor> weights = [];
        if (!model.TryGetProperty("weightsManifest", out JsonElement manifest))
            throw new TfjsException($"{file} has no weightsManifest; expected a TF.js model with weights.");
        foreach (JsonElement group in manifest.EnumerateArray())
        {
            byte[] bytes = [.. group.GetProperty("paths").EnumerateArray().SelectMany(p => shard(p.GetString()!))];
            int at = 0;
            foreach (JsonElement entry in group.GetProperty("weights").EnumerateArray())
            {
                TfTensor tensor = Tensor(entry, bytes, ref at, file);
                if (!weights.TryAdd(tensor.Name, tensor))
                    throw new TfjsException($"{file}: the weight '{tensor.Name}' is there twice.");
            }

            if (at != bytes.Length)
                throw new TfjsException(
                    $"{file}: the weights need {at:N0} bytes; the shards have {bytes.Length:N0}. They belong to "
                        + $"another model; restore the package again."
                );
        }

        return weights;
    }

    private static TfTensor Tensor(JsonElement entry, byte[] bytes, ref int at, string file)
    {
        string name = entry.GetProperty("name").GetString()!;
        long[] shape = [.. entry.GetProperty("shape").EnumerateArray().Select(d => d.GetInt64())];
        string type = entry.GetProperty("dtype").GetString()!;
        (double scale, double min) = (1, 0);
        if (entry.TryGetProperty("quantization", out JsonElement quantization))
        {
            type = quantization.GetProperty("dtype").GetString()!;
            if (quantization.TryGetProperty("scale", out JsonElement s))
                scale = s.GetDouble();
            if (quantization.TryGetProperty("min", out JsonElement m))
                min = m.GetDouble();
        }

        int size = type switch
        {
            "float32" or "int32" => 4,
            "uint16" or "float16" => 2,
            "uint8" or "bool" => 1,
            _ => throw new TfjsException(
                $"{file}: the weight '{name}' is of type '{type}'; known are float32, int32, bool, uint8, uint16 "
                    + $"and float16."
            ),
        };
        long count = shape.Aggregate(1L, (a, b) => checked(a * b));
        if (count < 0 || count > (bytes.Length - at) / size)
            throw new TfjsException(
                $"{file}: the weight '{name}' needs {count * size:N0} bytes; {bytes.Length - at:N0} are left in the "
                    + $"shards. Restore the package again."
            );
        float[] values = new float[count];
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)(Number(type, bytes.AsSpan(at + i * size, size)) * scale + min);
        at += values.Length * size;
        return new TfTensor(name, shape, values);
    }

    private static double Number(string type, ReadOnlySpan<byte> bytes) =>
        type switch
        {
            "float32" => BinaryPrimitives.ReadSingleLittleEndian(bytes),
            "int32" => BinaryPrimitives.ReadInt32LittleEndian(bytes),
            "uint16" => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            "float16" => (double)BinaryPrimitives.ReadHalfLittleEndian(bytes),
            _ => bytes[0],
        };
}

/// <summary>
/// Turns TensorFlow.js models, layers and graph models alike, into ONNX (operator set 17, IR version 8, float32, NCHW).
/// </summary>
/// <remarks>
/// The ONNX model has one input <c>image</c> [N, 3, height, width] with a dynamic batch, in the value range of the
/// TF.js model. Every layer or node keeps its name as the name of its output tensor, so that
/// <see cref="OnnxModel.CutAt"/> reaches all of them. Scripts are never run.
/// </remarks>
public static class TfjsImporter
{
    /// <summary>Imports a model.</summary>
    /// <param name="modelFile">Path of model.json, or of a JavaScript module that exports it.</param>
    /// <param name="shardFiles">Paths of the weight shards; null for the files beside the model.</param>
    /// <param name="size">Side of the square input in pixels, for a model that leaves it open; null takes the model's
    /// own. Where <paramref name="upTo"/> is given, it may differ from the model's own.</param>
    /// <param name="upTo">Nodes of a graph model that become the outputs; what only the model's own outputs need is not
    /// read, so it may hold operators that are not known. Null for the model's own outputs.</param>
    /// <exception cref="TfjsException">The model is damaged, or has a layer or operator that is not known; the message
    /// names it and the file.</exception>
    public static OnnxModel Import(
        string modelFile,
        IReadOnlyCollection<string>? shardFiles = null,
        int? size = null,
        IReadOnlyList<string>? upTo = null
    )
    {
        try
        {
            using TfjsSource source = TfjsSource.Read(modelFile, shardFiles ?? Beside(modelFile));
            TfGraphWriter graph = new(Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(modelFile)))!);
            IReadOnlyList<TfValue> outputs =
                source.Topology.TryGetProperty("model_config", out _)
                || source.Topology.TryGetProperty("class_name", out _)
                    ? new LayersImporter(source, graph, size).Import()
                : source.Topology.TryGetProperty("node", out _) ? new GraphImporter(source, graph, size, upTo).Import()
                : throw new TfjsException(
                    $"{modelFile} has neither layers nor nodes; expected a TF.js layers or graph model."
                );
            return graph.Build(outputs);
        }
        catch (Exception cause) when (cause is not (TransferException or IOException or UnauthorizedAccessException))
        {
            // The file is untrusted: whatever reading it runs into (a missing member, a number out of range, a name
            // made twice) is the file's fault.
            throw new TfjsException(
                $"{modelFile} is not a TF.js model as the format describes it ({cause.Message}). Export it again, "
                    + $"or restore its package.",
                cause
            );
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new TfjsException($"{modelFile} or its weights could not be read ({cause.Message}).", cause);
        }
    }

    private static string[] Beside(string modelFile) =>
        [
            .. Directory
                .EnumerateFiles(Path.GetDirectoryName(Path.GetFullPath(modelFile))!)
                .Where(f => Path.GetFileName(f) != Path.GetFileName(modelFile))
                .Order(StringComparer.Ordinal),
        ];
}

/// <summary>
/// A TF.js model cannot be imported: it is damaged, or has a layer or operator that is not known yet.
/// </summary>
/// <param name="message">Names the file, the layer or node, what was found and what was expected.</param>
/// <param name="inner">The cause, where there is one.</param>
public sealed class TfjsException(string message, Exception? inner = null) : TransferException(message, inner);
