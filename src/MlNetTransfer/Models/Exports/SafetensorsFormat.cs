using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Models.Exports;

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
