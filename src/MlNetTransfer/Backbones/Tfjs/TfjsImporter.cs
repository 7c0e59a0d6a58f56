using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones.Tfjs;

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
                source.Topology.TryGetProperty("model_config", out _) ? new LayersImporter(source, graph, size).Import()
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
