using MlNetTransfer.Features;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Models.Exports;

/// <summary>The network in float16, its head in float32, for devices that are fast at it.</summary>
public sealed class HalfFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "fp16";

    /// <inheritdoc/>
    public string Description =>
        "ONNX: as tensor, weights and computation in float16, for GPUs; half the size, slow on a CPU.";

    /// <inheritdoc/>
    public string FileName => "model.fp16.onnx";

    /// <summary>
    /// Features keep 11 bits, which moves them by about 5e-4 of their size; heads with large weights that nearly cancel
    /// make up to 5e-2 of it in a probability near one half. A weight that overflowed or a layer that lost its bits
    /// moves it by far more.
    /// </summary>
    public double Tolerance => 5e-2;

    /// <summary>From the features on it is float32: the head costs nothing, and its sums nearly cancel.</summary>
    public IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        OnnxModel model = ExportGraph.WithOutputs(request).FoldConstants();
        string head = ExportGraph.Has(model, FeatureGraph.Output)
            ? FeatureGraph.Output
            : ExportGraph.LogitsOf(request.File, model);
        return new OnnxExport(ExportGraph.CleanedUp(model.ToHalfPrecision(head)), request);
    }
}
