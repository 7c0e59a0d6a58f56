using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Numerics;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Models.Quantization;

/// <summary>
/// Quantises a trained model to int8: smaller and faster on CPUs, with what it costs measured on held-out images.
/// </summary>
/// <remarks>
/// Static quantisation (Jacob et al., Quantization and Training of Neural Networks for Efficient
/// Integer-Arithmetic-Only Inference, 2018): weights in signed bytes with a scale for each output channel, activations
/// in unsigned bytes with a range from calibration images, biases in int32, written with standard QuantizeLinear and
/// DequantizeLinear. Equal model, images and options give equal bytes, whatever the number of workers.
/// </remarks>
/// <param name="options">How, and what may be lost; the defaults if null.</param>
/// <param name="limits">What an image may cost.</param>
/// <param name="plan">Its workers calibrate and evaluate; always on the CPU. One per core if null.</param>
/// <param name="clock">Measures the speed.</param>
public sealed class Int8Export(
    Int8Options? options = null,
    ImageLimits? limits = null,
    ExecutionPlan? plan = null,
    TimeProvider? clock = null
)
{
    private readonly Int8Options options = options ?? new Int8Options();
    private readonly ImageLimits limits = limits ?? new ImageLimits();
    private readonly ExecutionPlan plan = ExecutionPlan.For(ExecutionProvider.Cpu, plan?.Workers);
    private readonly TimeProvider clock = clock ?? TimeProvider.System;

    /// <summary>Quantises a model file.</summary>
    /// <param name="path">The float32 model, as <c>train</c> wrote it. It is not changed.</param>
    /// <param name="calibration">Images that ranges are taken from, best those the model was trained on; their labels
    /// do not matter.</param>
    /// <param name="heldOut">Images that the model was not trained on; labels are indices into its classes.</param>
    /// <param name="progress">Told after every image or layer, from any thread.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <returns>The quantised model, not yet written, and what it costs and gains.</returns>
    /// <exception cref="TransferException">No image can be used, a label is no class of the model, or more is lost than
    /// the options allow; the message names the classes and the layers to leave in float.</exception>
    /// <exception cref="GraphException">The file cannot be read or has nothing to quantise.</exception>
    public Int8Model Run(
        string path,
        IReadOnlyList<ImageItem> calibration,
        IReadOnlyList<ImageItem> heldOut,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        OnnxModel onnx = OnnxModel.Load(path);
        ModelMetadata metadata = ModelMetadata.FromEntries(path, onnx.Metadata);
        if (onnx.Metadata.ContainsKey(Int8Metadata.Key))
            throw new TransferException($"'{path}' is quantised already. Give the float32 model.");
        if (heldOut.Count == 0)
            throw new TransferException(
                "There is no held-out image to judge the quantised model on. Give images that the model was not "
                    + "trained on."
            );
        if (heldOut.FirstOrDefault(i => i.Label < 0 || i.Label >= metadata.Labels.Count) is { } wrong)
            throw new TransferException(
                $"'{wrong.Name}' has label {wrong.Label}; the model has classes 0 to {metadata.Labels.Count - 1}. "
                    + $"Give labels as indices into the model's classes."
            );
        QuantizableGraph graph = QuantizableGraph.Of(onnx);
        CalibrationValues values = new RangeCalibrator(graph, metadata.Preprocessing, limits, plan).Run(
            Draw(calibration),
            options.SensitivityImages,
            progress,
            cancellation
        );
        return new Int8Search(graph, onnx, metadata, values, options, limits, plan, clock).Run(
            heldOut,
            progress,
            cancellation
        );
    }

    /// <summary>The calibration images, drawn by the seed and in the order given.</summary>
    private ImageItem[] Draw(IReadOnlyList<ImageItem> items)
    {
        int[] order = [.. Enumerable.Range(0, items.Count)];
        new Rng(options.Seed).Shuffle<int>(order);
        return [.. order.Take(options.CalibrationImages).Order().Select(i => items[i])];
    }
}
