namespace MlNetTransfer.Models.Exports;

/// <summary>The model as it is, at a stated operator set and cleaned up.</summary>
public sealed class TensorFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "tensor";

    /// <inheritdoc/>
    public string Description => "ONNX: float32 [N, 3, size, size] after the stated preprocessing.";

    /// <inheritdoc/>
    public string FileName => "model.tensor.onnx";

    /// <summary>As for a trained file: the same sums, in an order that ONNX Runtime chooses.</summary>
    public double Tolerance => ParityRecord.Tolerance;

    /// <inheritdoc/>
    public IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    ) => new OnnxExport(ExportGraph.CleanedUp(ExportGraph.WithOutputs(request)), request);
}
