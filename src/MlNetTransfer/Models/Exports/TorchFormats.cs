using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Google.Protobuf;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Onnx.Weights;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

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
            Input = $"{request.Input}: float32 [N, 3, {request.Metadata.Preprocessing.Shape.Height}, "
                + $"{request.Metadata.Preprocessing.Shape.Width}] after the preprocessing",
            Output = request.WithLogits ? ExportGraph.LogitsOutput : TransferModel.ProbabilitiesOutput,
            LeftOut = request.ScoresUnknown ? [TransferModel.UnknownOutput] : Array.Empty<string>(),
            Metadata = WithoutUnknown(request.Metadata).ToEntries().ToDictionary(),
            Parity = record,
        };
        AtomicFile.Write(path + ".json", stream => JsonSerializer.Serialize(stream, facts, Json));
    }

    public IExportScorer Open(string path) =>
        new OnnxScorer(
            request.Model.WithWeights(TorchWeights.Read(path), options).CutAt(TransferModel.ProbabilitiesOutput),
            request.Metadata,
            request.Limits
        );

    /// <summary>An export for torch gives one output, so it scores no unknown images.</summary>
    private static ModelMetadata WithoutUnknown(ModelMetadata metadata) =>
        metadata.Reliability is { } reliability
            ? metadata with
            {
                Reliability = reliability with { Unknown = null },
            }
            : metadata;
}

/// <summary>A TorchScript archive.</summary>
public sealed class TorchScriptFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "torchscript";

    /// <inheritdoc/>
    public string Description =>
        "TorchScript for torch.jit.load of PyTorch and TorchSharp, with classes and preprocessing in a .json beside "
        + "it; --logits: to train on.";

    /// <inheritdoc/>
    public string FileName => "model.pt";

    /// <summary>
    /// The weights are the same float32; what is checked are those read back from the archive, in the graph that they
    /// were made of.
    /// </summary>
    public double Tolerance => ParityRecord.Tolerance;

    /// <inheritdoc/>
    public ExportCheck Check => ExportCheck.Weights;

    /// <inheritdoc/>
    public IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        TorchExportOptions options = TorchExport.OptionsOf(request);
        // Before any file: an operator without a counterpart is named here.
        TorchScript.Write(request.Model, Stream.Null, options);
        return new TorchExport(request, Name, options, path => TorchScript.Write(request.Model, path, options));
    }
}

/// <summary>A C# class for TorchSharp and its state dictionary.</summary>
public sealed class TorchSharpFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "torchsharp";

    /// <inheritdoc/>
    public string Description =>
        "a state dictionary (.dat) and the C# class that loads it in TorchSharp, named after the file; classes and "
        + "preprocessing in a .json beside them.";

    /// <inheritdoc/>
    public string FileName => "ImageClassifier.dat";

    /// <summary>
    /// The weights are the same float32; what is checked are those read back, in the graph that they were made of.
    /// </summary>
    public double Tolerance => ParityRecord.Tolerance;

    /// <inheritdoc/>
    public ExportCheck Check => ExportCheck.Weights;

    /// <inheritdoc/>
    public IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        TorchExportOptions options = TorchExport.OptionsOf(request);
        TorchSharpExport.WriteState(request.Model, Stream.Null, options);
        return new TorchExport(request, Name, options, path => Write(request, path, options));
    }

    private static void Write(ExportRequest request, string path, TorchExportOptions options)
    {
        if (Path.GetExtension(path) != ".dat")
            throw new TransferException(
                $"'{Path.GetFileName(path)}' must end in .dat, as the state dictionaries of TorchSharp do."
            );
        try
        {
            TorchSharpExport.Write(
                request.Model,
                Path.GetDirectoryName(path)!,
                Path.GetFileNameWithoutExtension(path),
                options
            );
        }
        catch (ArgumentException e)
        {
            throw new TransferException(
                $"The class is named after the file: {e.Message} Give another --output, e.g. FlowerNet.dat.",
                e
            );
        }
    }
}

/// <summary>The weights alone, by the names of the ONNX file.</summary>
public sealed class SafetensorsFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "safetensors";

    /// <inheritdoc/>
    public string Description => "the weights alone, under their names in the ONNX file.";

    /// <inheritdoc/>
    public string FileName => "model.safetensors";

    /// <summary>
    /// The weights are the same bytes; what is checked are those read back, in the graph that they were taken from.
    /// </summary>
    public double Tolerance => ParityRecord.Tolerance;

    /// <inheritdoc/>
    public ExportCheck Check => ExportCheck.Weights;

    /// <inheritdoc/>
    public IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    ) =>
        new Export(
            request,
            request.Model.Initializers.ToDictionary(
                i => i.Name,
                i => WeightsByName.Of(request.File, i),
                StringComparer.Ordinal
            )
        );

    private sealed class Export(ExportRequest request, IReadOnlyDictionary<string, SafeTensor> tensors) : IExport
    {
        public void Save(string path, ExportRecord? record)
        {
            Dictionary<string, string> metadata = request.Metadata.ToEntries().ToDictionary();
            if (record is not null)
                metadata[ExportRecord.Key] = record.ToJson();
            new SafetensorsFile(tensors, metadata).Save(path);
        }

        public IExportScorer Open(string path) =>
            new OnnxScorer(
                WeightsByName.Replace(request.Model, SafetensorsFile.Load(path).Tensors, path),
                request.Metadata,
                request.Limits
            );
    }
}

/// <summary>Weights of an ONNX file under the names that they have there.</summary>
internal static class WeightsByName
{
    private static readonly Dictionary<DataType, SafeTensorType> Types = new()
    {
        [DataType.Float] = SafeTensorType.F32,
        [DataType.Float16] = SafeTensorType.F16,
        [DataType.Bfloat16] = SafeTensorType.BF16,
        [DataType.Double] = SafeTensorType.F64,
        [DataType.Int64] = SafeTensorType.I64,
        [DataType.Int32] = SafeTensorType.I32,
        [DataType.Int16] = SafeTensorType.I16,
        [DataType.Int8] = SafeTensorType.I8,
        [DataType.Uint8] = SafeTensorType.U8,
        [DataType.Bool] = SafeTensorType.BOOL,
    };

    /// <summary>A constant of a graph.</summary>
    /// <param name="file">Its file, named in errors.</param>
    /// <param name="tensor">The constant.</param>
    public static SafeTensor Of(string file, TensorProto tensor)
    {
        if (!Types.TryGetValue((DataType)tensor.DataType, out SafeTensorType type))
            throw new TransferException(
                $"Weight '{tensor.Name}' of '{file}' is of type {(DataType)tensor.DataType}, which safetensors does "
                    + $"not have. Export the model in another format."
            );
        ReadOnlyMemory<byte> data = tensor.HasRawData
            ? tensor.RawData.Memory
            : (DataType)tensor.DataType switch
            {
                DataType.Float => MemoryMarshal.AsBytes<float>(TensorData.ToFloats(tensor)).ToArray(),
                DataType.Int64 => MemoryMarshal.AsBytes<long>(TensorData.ToLongs(tensor)).ToArray(),
                _ => throw new TransferException(
                    $"Weight '{tensor.Name}' of '{file}' is of type {(DataType)tensor.DataType} and not stored as "
                        + $"raw data. Save the model again with its exporter's raw data."
                ),
            };
        return new SafeTensor(type, [.. tensor.Dims], data);
    }

    /// <summary>Whether the names are those of the file's constants, rather than of an export for torch.</summary>
    public static bool Fits(OnnxModel model, IReadOnlyDictionary<string, SafeTensor> weights)
    {
        HashSet<string> names = [.. model.Initializers.Select(i => i.Name)];
        return weights.Keys.All(names.Contains);
    }

    /// <summary>The model with other weights; every one of its constants is among them.</summary>
    /// <exception cref="GraphException">Names, types or shapes do not fit; the message lists the
    /// differences.</exception>
    public static OnnxModel Replace(OnnxModel model, IReadOnlyDictionary<string, SafeTensor> weights, string file)
    {
        Dictionary<string, TensorProto> own = model.Initializers.ToDictionary(i => i.Name);
        string[] missing =
        [
            .. own
                .Values.Where(i => !weights.ContainsKey(i.Name))
                .Select(i => $"{i.Name} [{string.Join(", ", i.Dims)}]"),
        ];
        string[] unknown =
        [
            .. weights.Where(w => !own.ContainsKey(w.Key)).Select(w => $"{w.Key} [{string.Join(", ", w.Value.Shape)}]"),
        ];
        string[] different =
        [
            .. own
                .Values.Where(i =>
                    weights.TryGetValue(i.Name, out SafeTensor? w)
                    && (!w.Shape.SequenceEqual(i.Dims) || Types.GetValueOrDefault((DataType)i.DataType) != w.Type)
                )
                .Select(i =>
                    $"{i.Name} {weights[i.Name].Type} [{string.Join(", ", weights[i.Name].Shape)}] instead of "
                    + $"{(DataType)i.DataType} [{string.Join(", ", i.Dims)}]"
                ),
        ];
        var mismatch = new WeightsMismatch(missing, unknown, different);
        if (!mismatch.IsEmpty)
            throw new GraphException(
                $"The weights of '{file}' are not those of this model: {mismatch}. Give the model that they were "
                    + $"exported from."
            );
        return model.With(proto =>
        {
            for (int i = 0; i < proto.Graph.Initializer.Count; i++)
            {
                TensorProto old = proto.Graph.Initializer[i];
                proto.Graph.Initializer[i] = new TensorProto
                {
                    Name = old.Name,
                    DataType = old.DataType,
                    Dims = { old.Dims },
                    RawData = ByteString.CopyFrom(weights[old.Name].Data.Span),
                };
            }
        });
    }
}
