using MlNetTransfer.Backbones;
using MlNetTransfer.Models.Quantization;

namespace MlNetTransfer.Models.Exports;

/// <summary>The network in int8, calibrated on some images and judged on others.</summary>
public sealed class Int8Format : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "int8";

    /// <inheritdoc/>
    public string Description =>
        "ONNX: as tensor, weights and activations in 8 bits, for CPUs; ranges are taken from images that it is not "
        + "judged on.";

    /// <inheritdoc/>
    public string FileName => "model.int8.onnx";

    /// <summary>
    /// Eight bits move features by percents of their range, and a probability near one half by tenths; what counts are
    /// the labels, which the quantisation is judged by before.
    /// </summary>
    public double Tolerance => 0.3;

    /// <inheritdoc/>
    public bool IsFitted => true;

    /// <inheritdoc/>
    public IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        if (request.WithFeatures || request.WithLogits)
            throw new TransferException(
                "An int8 export gives probabilities and label only. Leave --features and --logits out."
            );
        Int8Model quantised = new Int8Export(
            request.Quantization with
            {
                SpeedRounds = 0,
            },
            request.Limits,
            ExecutionPlan.For(ExecutionProvider.Cpu)
        ).Run(request.File, request.Calibration, request.Images, progress, cancellation);
        return new OnnxExport(quantised.Onnx, request);
    }
}
