using System.Text.Json;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Jobs;

/// <summary>A file to look into. Immutable; an invalid instance cannot be made.</summary>
public sealed record InspectOptions : JobRequest
{
    /// <summary>The file: .onnx, or weights alone (.pt, .pth, .dat, .safetensors).</summary>
    public required string File
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <inheritdoc/>
    public override InspectJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>
/// Finds out what is in an ONNX file: of a file of this product everything, of any other what its graph says. Of
/// weights alone (.pt, .pth, .dat, .safetensors) their names and shapes, and what the export said of them.
/// </summary>
public sealed class InspectJob : IJob<ModelReport>
{
    private readonly string given;
    private string path = "";

    /// <summary>Makes the job.</summary>
    /// <param name="options">The file.</param>
    /// <param name="services">As all jobs have them; this one needs none.</param>
    public InspectJob(InspectOptions options, JobServices? services = null) => given = options.File;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellation">Ends the job between two steps.</param>
    /// <exception cref="GraphException">The file cannot be read, or is no ONNX model and no weights.</exception>
    /// <exception cref="TransferException">It is a file of this product, and an entry of its metadata cannot be
    /// understood.</exception>
    public ModelReport Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        progress?.Report(new JobProgress("Inspecting", 0, 1));
        path = ModelRegistry.FileOf(given);
        ModelReport found = Path.GetExtension(path).ToUpperInvariant() is ".PT" or ".PTH" or ".DAT" or ".SAFETENSORS"
            ? new WeightsInspection(path).Run()
            : Graph(cancellation);
        progress?.Report(new JobProgress("Inspecting", 1, 1));
        return found;
    }

    private ModelReport Graph(CancellationToken cancellation)
    {
        OnnxModel model = OnnxModel.Load(path);
        cancellation.ThrowIfCancellationRequested();
        ModelProto proto = model.ToProto();
        List<string> notes = [];
        long? cost = MultiplyAdds(model, notes);
        cancellation.ThrowIfCancellationRequested();
        return ModelReport.Of(path, model.Metadata) with
        {
            Producer = $"{proto.ProducerName} {proto.ProducerVersion}".Trim(),
            IrVersion = proto.IrVersion,
            OperatorSets = proto
                .OpsetImport.GroupBy(o => o.Domain.Length == 0 ? "ai.onnx" : o.Domain)
                .ToDictionary(g => g.Key, g => g.Last().Version),
            Inputs = [.. model.Inputs.Select(i => Describe(model, i.Name))],
            Outputs = [.. model.Outputs.Select(o => Describe(model, o.Name))],
            Operators = model.OperatorCounts().ToDictionary(),
            Parameters = ModelCost.Parameters(model),
            WeightBytes = ModelCost.WeightBytes(model),
            MultiplyAdds = cost,
            Notes = notes,
        };
    }

    private static TensorReport Describe(OnnxModel model, string tensor) =>
        new(tensor, model.DeclaredShape(tensor)?.ToString() ?? "not stated");

    /// <summary>A graph that this runtime cannot load is still worth a look.</summary>
    private static long? MultiplyAdds(OnnxModel model, List<string> notes)
    {
        try
        {
            long? cost = ModelCost.MultiplyAdds(model);
            if (cost is null)
                notes.Add("Multiply-adds are not known: some shapes are open even for one image.");
            return cost;
        }
        catch (GraphException e)
        {
            notes.Add($"Multiply-adds are not known: {e.Message.ReplaceLineEndings(" ")}");
            return null;
        }
    }
}

/// <summary>What is in an ONNX file, or in a file of weights alone.</summary>
public sealed record ModelReport
{
    /// <summary>The file.</summary>
    public required string File { get; init; }

    /// <summary>Bytes of the file, without weights beside it.</summary>
    public required long Bytes { get; init; }

    /// <summary>SHA-256 of the file, hexadecimal.</summary>
    public required string Sha256 { get; init; }

    /// <summary>What wrote it, as it says itself; empty where it does not.</summary>
    public required string Producer { get; init; }

    /// <summary>Version of the file format; null for weights alone.</summary>
    public required long? IrVersion { get; init; }

    /// <summary>Versions of its operator sets by domain; ONNX's own is called ai.onnx.</summary>
    public required IReadOnlyDictionary<string, long> OperatorSets { get; init; }

    /// <summary>What has to be fed: name, element type and shape.</summary>
    public required IReadOnlyList<TensorReport> Inputs { get; init; }

    /// <summary>What comes out.</summary>
    public required IReadOnlyList<TensorReport> Outputs { get; init; }

    /// <summary>Operators by name and how often each occurs.</summary>
    public required IReadOnlyDictionary<string, int> Operators { get; init; }

    /// <summary>
    /// Tensors of a file of weights (.pt, .pth, .dat, .safetensors), sorted by name; null for an ONNX file.
    /// </summary>
    public IReadOnlyList<TensorReport>? Tensors { get; init; }

    /// <summary>Elements of all weights.</summary>
    public required long Parameters { get; init; }

    /// <summary>Bytes of all weights and constants, wherever they lie.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>Multiply-adds per image; null where shapes are open, and for weights alone.</summary>
    public required long? MultiplyAdds { get; init; }

    /// <summary>What a file of this product says of itself; null for any other ONNX file.</summary>
    public required ModelMetadata? Metadata { get; init; }

    /// <summary>What an export was let through on; null for other files.</summary>
    public required ExportRecord? Parity { get; init; }

    /// <summary>Keys of the metadata that are not of this product.</summary>
    public required IReadOnlyDictionary<string, string> OtherMetadata { get; init; }

    /// <summary>What could not be found out, and why.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>What can be said of a file of any kind; all that is in its graph is left empty.</summary>
    /// <param name="path">The file.</param>
    /// <param name="entries">The metadata of the file, or of what lies beside it.</param>
    /// <exception cref="TransferException">It is a file of this product, and an entry of its metadata cannot be
    /// understood.</exception>
    internal static ModelReport Of(string path, IReadOnlyDictionary<string, string> entries) =>
        new()
        {
            File = path,
            Bytes = new FileInfo(path).Length,
            Sha256 = FileDigest.Of(path),
            Producer = "",
            IrVersion = null,
            OperatorSets = new Dictionary<string, long>(),
            Inputs = [],
            Outputs = [],
            Operators = new Dictionary<string, int>(),
            Parameters = 0,
            WeightBytes = 0,
            MultiplyAdds = null,
            Metadata = ModelMetadata.IsOurs(entries) ? ModelMetadata.FromEntries(path, entries) : null,
            Parity = entries.TryGetValue(ExportRecord.Key, out string? record)
                ? ExportRecord.FromJson(path, record)
                : null,
            OtherMetadata = entries
                .Where(e => !e.Key.StartsWith(ModelMetadata.Prefix, StringComparison.Ordinal))
                .ToDictionary(),
            Notes = [],
        };
}

/// <summary>An input or output of a graph.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Element type and shape, e.g. <c>Float [N, 3, 224, 224]</c>; "not stated" where the file does not
/// say.</param>
public sealed record TensorReport(string Name, string Type);

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
