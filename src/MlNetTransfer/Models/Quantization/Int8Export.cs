using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Quantization;
using MlNetTransfer.Onnx.Runtime;

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
        IReadOnlyList<DataItem> calibration,
        IReadOnlyList<DataItem> heldOut,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        (_, OnnxModel onnx, ModelMetadata metadata) = ModelFile.Load(path);
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
    private DataItem[] Draw(IReadOnlyList<DataItem> items)
    {
        int[] order = [.. Enumerable.Range(0, items.Count)];
        new Rng(options.Seed).Shuffle<int>(order);
        return [.. order.Take(options.CalibrationImages).Order().Select(i => items[i])];
    }
}

/// <summary>Finds the layers of a model's head.</summary>
internal static class HeadLayers
{
    /// <summary>
    /// Names of the layers that read the features, directly or not; where the graph does not say what its features are,
    /// of the last layer.
    /// </summary>
    public static IReadOnlyList<string> Of(OnnxModel model, QuantizableGraph graph)
    {
        HashSet<string> after = [FeatureGraph.Output],
            nodes = [];
        foreach (NodeProto node in model.TopologicalOrder().Where(n => n.Input.Any(after.Contains)))
        {
            after.UnionWith(node.Output);
            nodes.Add(node.Name);
        }

        string[] head = [.. graph.Layers.Select(l => l.Name).Where(nodes.Contains)];
        return head.Length > 0 ? head : [graph.Layers[^1].Name];
    }
}

/// <summary>
/// Runs a model up to what its softmax reads: probabilities near 0 and 1 hide errors that logits show.
/// </summary>
internal static class LogitsGraph
{
    /// <summary>The logits of images [images × classes].</summary>
    public static float[] Run(
        OnnxModel model,
        IReadOnlyList<float[]> tensors,
        Preprocessing preprocessing,
        CancellationToken cancellation
    )
    {
        NodeProto last = model.Nodes.Single(n => n.Output.Contains(TransferModel.ProbabilitiesOutput));
        string logits = last.OpType == "Softmax" ? last.Input[0] : TransferModel.ProbabilitiesOutput;
        using var graph = new ItemGraph(model.CutAt(logits).ToBytes(), logits, preprocessing);
        using ItemGraphWorker worker = graph.CreateWorker();
        var rows = new float[tensors.Count * graph.OutputWidth];
        for (int i = 0; i < tensors.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            worker.Run(tensors[i], rows.AsSpan(i * graph.OutputWidth, graph.OutputWidth));
        }

        return rows;
    }
}

/// <summary>
/// Runs images through the float model and counts the values of every tensor that is to be quantised. Memory is a
/// histogram per tensor and worker, however many images there are.
/// </summary>
/// <param name="graph">The model.</param>
/// <param name="preprocessing">What turns an image into its input.</param>
/// <param name="limits">What an image may cost.</param>
/// <param name="plan">Its workers run the images; the counts do not depend on their number.</param>
internal sealed class RangeCalibrator(
    QuantizableGraph graph,
    Preprocessing preprocessing,
    ImageLimits limits,
    ExecutionPlan plan
)
{
    /// <summary>Images kept as tensors, for what is measured on them later.</summary>
    private readonly SortedDictionary<int, float[]> kept = [];
    private readonly List<(int Index, RejectedItem Image)> rejected = [];
    private Dictionary<string, ValueHistogram> histograms = [];
    private int next,
        done,
        used;

    /// <summary>Counts the values of the tensors.</summary>
    /// <param name="items">The images.</param>
    /// <param name="keep">How many of the first images are kept as tensors.</param>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <exception cref="TransferException">No image could be used, or the model gives a value that is not
    /// finite.</exception>
    public CalibrationValues Run(
        IReadOnlyList<DataItem> items,
        int keep,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        if (items.Count == 0)
            throw new TransferException(
                "There is no image to calibrate on. Give the images that the model was trained on, or others like "
                    + "those it will see."
            );
        histograms = graph.Activations.ToDictionary(t => t, _ => new ValueHistogram());
        using var session = new OrtSession(
            graph.Model.CutAt([.. graph.Activations]).ToBytes(),
            plan.Settings,
            "the model"
        );
        using (var workers = new WorkerGroup(cancellation))
        {
            for (int w = Math.Min(plan.Workers, items.Count); w > 0; w--)
                workers.Start(token => Work(session, items, keep, progress, token));
            workers.Wait();
        }

        RejectedItem[] ordered = [.. rejected.OrderBy(r => r.Index).Select(r => r.Image)];
        if (used == 0)
            throw new TransferException(
                $"None of the {items.Count} images to calibrate on could be used; the first: {ordered[0].File}: "
                    + $"{ordered[0].Reason}."
            );
        return new CalibrationValues(histograms, [.. kept.Values], used, ordered);
    }

    private void Work(
        OrtSession session,
        IReadOnlyList<DataItem> items,
        int keep,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        Dictionary<string, ValueHistogram> own = graph.Activations.ToDictionary(t => t, _ => new ValueHistogram());
        using var reader = new ItemReader(limits);
        using var preprocessor = new ImagePreprocessor(preprocessing, limits);
        var image = new RowTensor<float>(
            session.Inputs.Keys.Single(),
            rows: 1,
            3,
            preprocessing.Shape.Height,
            preprocessing.Shape.Width
        );
        using OrtValue value = image.First(1);
        var fed = new Dictionary<string, OrtValue> { [image.Name] = value };
        for (int index; (index = Interlocked.Increment(ref next) - 1) < items.Count; )
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                preprocessor.Process(reader.Read(items[index]), image[0], cancellation);
                Count(session, fed, own);
                Interlocked.Increment(ref used);
                if (index < keep)
                    Keep(index, image[0]);
            }
            catch (ImageRejectedException e)
            {
                lock (rejected)
                    rejected.Add((index, new RejectedItem(items[index].Name, e.Reason)));
            }

            progress?.Report(new JobProgress("Calibrating", Interlocked.Increment(ref done), items.Count));
        }

        lock (histograms)
            foreach ((string tensor, ValueHistogram values) in own)
                histograms[tensor].Merge(values);
    }

    private void Keep(int index, ReadOnlySpan<float> tensor)
    {
        lock (kept)
            kept[index] = [.. tensor];
    }

    private void Count(OrtSession session, Dictionary<string, OrtValue> fed, Dictionary<string, ValueHistogram> own)
    {
        using IDisposableReadOnlyCollection<OrtValue> results = session.Run(fed, graph.Activations);
        foreach ((string tensor, OrtValue result) in graph.Activations.Zip(results))
        {
            try
            {
                own[tensor].Add(result.GetTensorDataAsSpan<float>());
            }
            catch (GraphException e)
            {
                throw new TransferException($"Tensor '{tensor}': {e.Message}", e);
            }
        }
    }
}

/// <summary>What the calibration images gave.</summary>
/// <param name="Histograms">The values of every tensor.</param>
/// <param name="Tensors">Some of the images, preprocessed, each [3 × Size × Size].</param>
/// <param name="Images">Images counted.</param>
/// <param name="Rejected">Images that could not be used.</param>
internal sealed record CalibrationValues(
    IReadOnlyDictionary<string, ValueHistogram> Histograms,
    IReadOnlyList<float[]> Tensors,
    int Images,
    IReadOnlyList<RejectedItem> Rejected
)
{
    /// <summary>The ranges by a method.</summary>
    public IReadOnlyDictionary<string, ValueRange> Ranges(RangeCalibration calibration) =>
        Histograms.ToDictionary(h => h.Key, h => calibration.Of(h.Value));
}
