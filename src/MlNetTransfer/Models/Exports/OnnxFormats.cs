using MlNetTransfer.Backbones;
using MlNetTransfer.Features;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Models.Exports;

/// <summary>The model as it is, at a stated operator set and cleaned up.</summary>
public sealed class TensorFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "tensor";

    /// <inheritdoc/>
    public string Description =>
        "ONNX: float32 [N, 3, size, size] after the stated preprocessing; of texts, int64 [N, tokens].";

    /// <inheritdoc/>
    public bool TakesAnyContent => true;

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

/// <summary>The network in float16, its head in float32, for devices that are fast at it.</summary>
public sealed class HalfFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "fp16";

    /// <inheritdoc/>
    public string Description =>
        "ONNX: as tensor, weights and computation in float16, for GPUs; half the size, slow on a CPU.";

    /// <inheritdoc/>
    public bool TakesAnyContent => true;

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
    public bool TakesAnyContent => true;

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

/// <summary>What all ONNX exports have in common: the outputs, the operator set, the clean-up.</summary>
internal static class ExportGraph
{
    /// <summary>The operator set that exports state: the first whose Resize is antialiased.</summary>
    public const int Opset = 18;

    /// <summary>Name of the output with the logits, after calibration.</summary>
    public const string LogitsOutput = "logits";

    /// <summary>
    /// The model at <see cref="Opset"/> or its own later one, with the outputs that were asked for: probabilities,
    /// label, the score of unknown images where the model gives it, features, logits, in this order.
    /// </summary>
    public static OnnxModel WithOutputs(ExportRequest request)
    {
        OnnxModel model = request.Model.UpgradeOpset(Opset);
        List<string> outputs = [.. model.Outputs.Select(o => o.Name)];
        if (request.WithFeatures)
        {
            if (!Has(model, FeatureGraph.Output))
                throw new TransferException(
                    $"'{request.File}' has no tensor '{FeatureGraph.Output}' to give out. Export it without the "
                        + $"features."
                );
            outputs.Add(FeatureGraph.Output);
        }

        if (request.WithLogits)
        {
            string logits = LogitsOf(request.File, model);
            if (logits != LogitsOutput)
                model = model.WithFreeName(LogitsOutput).Model.RenameTensor(logits, LogitsOutput);
            outputs.Add(LogitsOutput);
        }

        return model.CutAt(outputs);
    }

    /// <summary>Constants folded, nodes that do nothing and weights that nothing uses removed.</summary>
    public static OnnxModel CleanedUp(OnnxModel model) =>
        model.FoldConstants().RemoveIdentities().RemoveUnusedInitializers();

    /// <summary>Whether the model has a tensor of the given name that a node makes.</summary>
    public static bool Has(OnnxModel model, string tensor) => model.Nodes.Any(n => n.Output.Contains(tensor));

    /// <summary>The tensor that the probabilities are the softmax of.</summary>
    public static string LogitsOf(string file, OnnxModel model) =>
        model.Nodes.FirstOrDefault(n => n.Output.Contains(TransferModel.ProbabilitiesOutput))
            is { OpType: "Softmax" } softmax
            ? softmax.Input[0]
            : throw new TransferException(
                $"The probabilities of '{file}' are not made by a Softmax, so it has no logits. Export it without "
                    + $"the logits."
            );
}
