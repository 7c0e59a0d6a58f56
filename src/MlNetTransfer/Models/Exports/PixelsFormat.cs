namespace MlNetTransfer.Models.Exports;

/// <summary>The model with its preprocessing inside: it takes decoded images of any size.</summary>
public sealed class PixelsFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "pixels";

    /// <inheritdoc/>
    public string Description =>
        "ONNX: decoded images, uint8 [N, height, width, 3] of any size; crop, antialiased resize and normalisation "
        + "are in the graph.";

    /// <inheritdoc/>
    public string FileName => "model.pixels.onnx";

    /// <summary>
    /// Resized samples agree to the last bit for about 999 of 1000, else to one level of 255 (float32 against double in
    /// the filter's weights). Large JPEG images differ by more: this product reduces them as it decodes, a caller of
    /// the file does not.
    /// </summary>
    public double Tolerance => 2e-2;

    /// <inheritdoc/>
    public IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    ) =>
        new OnnxExport(
            PixelsGraph.Build(ExportGraph.CleanedUp(ExportGraph.WithOutputs(request)), request.Metadata.Preprocessing),
            request
        );
}
