using MlNetTransfer.Backbones;
using MlNetTransfer.Models.Quantization;

namespace MlNetTransfer.Models.Exports;

/// <summary>The network in int8, calibrated on the images that it is checked on.</summary>
public sealed class Int8Format : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "int8";

    /// <inheritdoc/>
    public string Description => "ONNX: as tensor, weights and activations in 8 bits, for CPUs; calibrated on the images; layers stay in float where more than 2 points of the labels would change.";

    /// <inheritdoc/>
    public string FileName => "model.int8.onnx";

    /// <summary>Eight bits move features by percents of their range, and a probability near one half by tenths; what counts are the labels, which the quantisation is judged by before.</summary>
    public double Tolerance => 0.3;

    /// <inheritdoc/>
    public IExport Convert(ExportRequest request, IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (request.WithFeatures || request.WithLogits) throw new TransferException("An int8 export gives probabilities and label only. Leave --features and --logits out.");
        var options = new Int8Options { AutoFloat = true, SpeedRounds = 0 };
        Int8Model quantised = new Int8Export(options, request.Limits, ExecutionPlan.For(ExecutionProvider.Cpu)).Run(request.File, request.Images, request.Images, progress, cancellation);
        return new OnnxExport(quantised.Onnx, request);
    }
}
