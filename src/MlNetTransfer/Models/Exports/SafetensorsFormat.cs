using System.Runtime.InteropServices;
using Google.Protobuf;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Onnx.Weights;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Models.Exports;

/// <summary>The weights alone.</summary>
public sealed class SafetensorsFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "safetensors";

    /// <inheritdoc/>
    public string Description =>
        "the weights alone, under their names in the ONNX file, or with --names torch as modules of torch have them.";

    /// <inheritdoc/>
    public string FileName => "model.safetensors";

    /// <inheritdoc/>
    public bool HasNames => true;

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
    )
    {
        if (request.WithFeatures || request.WithLogits)
            throw new TransferException(
                "A file of weights has no outputs: leave --features and --logits out, or take --format tensor, or "
                    + "torchscript to train on."
            );
        return request.Names == WeightNames.Torch
            ? new Export(request, request.Model.StateDictionary(TorchOptions))
            : new Export(
                request,
                WeightsByName
                    .In(request.Model)
                    .ToDictionary(i => i.Name, i => WeightsByName.Of(request.File, i), StringComparer.Ordinal)
            );
    }

    private static TorchExportOptions TorchOptions => new() { Output = TransferModel.ProbabilitiesOutput };

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
                request.Names == WeightNames.Torch
                    ? request
                        .Model.WithWeights(TorchWeights.Read(path), TorchOptions)
                        .CutAt(TransferModel.ProbabilitiesOutput)
                    : WeightsByName.Replace(request.Model, SafetensorsFile.Load(path).Tensors, path),
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

    /// <summary>The weights and statistics that a model's probabilities are computed from.</summary>
    /// <param name="model">A trained model.</param>
    public static IEnumerable<TensorProto> In(OnnxModel model) =>
        ModelWeights.Of(model.CutAt(TransferModel.ProbabilitiesOutput));

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

    /// <summary>
    /// The model with other weights, all that <see cref="In"/> gives; other constants may be among them.
    /// </summary>
    /// <exception cref="GraphException">Names, types or shapes do not fit; the message lists the
    /// differences.</exception>
    public static OnnxModel Replace(OnnxModel model, IReadOnlyDictionary<string, SafeTensor> weights, string file)
    {
        Dictionary<string, TensorProto> own = model.Initializers.ToDictionary(i => i.Name);
        string[] missing =
        [
            .. In(model)
                .Where(i => !weights.ContainsKey(i.Name))
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
                if (!weights.TryGetValue(old.Name, out SafeTensor? values))
                    continue;
                proto.Graph.Initializer[i] = new TensorProto
                {
                    Name = old.Name,
                    DataType = old.DataType,
                    Dims = { old.Dims },
                    RawData = ByteString.CopyFrom(values.Data.Span),
                };
            }
        });
    }
}
