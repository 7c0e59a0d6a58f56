using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Models.Quantization;

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
    private readonly List<(int Index, RejectedImage Image)> rejected = [];
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
        IReadOnlyList<ImageItem> items,
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
        using SessionOptions options = plan.CreateSessionOptions();
        using var session = new InferenceSession(graph.Model.CutAt([.. graph.Activations]).ToBytes(), options);
        using (var workers = new WorkerGroup(cancellation))
        {
            for (int w = Math.Min(plan.Workers, items.Count); w > 0; w--)
                workers.Start(token => Work(session, items, keep, progress, token));
            workers.Wait();
        }

        RejectedImage[] ordered = [.. rejected.OrderBy(r => r.Index).Select(r => r.Image)];
        if (used == 0)
            throw new TransferException(
                $"None of the {items.Count} images to calibrate on could be used; the first: {ordered[0].File}: "
                    + $"{ordered[0].Reason}."
            );
        return new CalibrationValues(histograms, [.. kept.Values], used, ordered);
    }

    private void Work(
        InferenceSession session,
        IReadOnlyList<ImageItem> items,
        int keep,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        Dictionary<string, ValueHistogram> own = graph.Activations.ToDictionary(t => t, _ => new ValueHistogram());
        using var reader = new ImageItemReader(limits);
        using var preprocessor = new ImagePreprocessor(preprocessing, limits);
        float[] input = GC.AllocateArray<float>(preprocessing.TensorLength, pinned: true);
        using OrtValue value = OrtValue.CreateTensorValueFromMemory(
            input,
            [1, 3, preprocessing.Size, preprocessing.Size]
        );
        using var run = new RunOptions();
        var fed = new Dictionary<string, OrtValue> { [session.InputNames[0]] = value };
        for (int index; (index = Interlocked.Increment(ref next) - 1) < items.Count; )
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                preprocessor.Process(reader.Read(items[index]), input, cancellation);
                Count(session, run, fed, own);
                Interlocked.Increment(ref used);
                if (index < keep)
                    Keep(index, input);
            }
            catch (ImageRejectedException e)
            {
                lock (rejected)
                    rejected.Add((index, new RejectedImage(items[index].Name, e.Reason)));
            }

            progress?.Report(new JobProgress("Calibrating", Interlocked.Increment(ref done), items.Count));
        }

        lock (histograms)
            foreach ((string tensor, ValueHistogram values) in own)
                histograms[tensor].Merge(values);
    }

    private void Keep(int index, float[] tensor)
    {
        lock (kept)
            kept[index] = [.. tensor];
    }

    private void Count(
        InferenceSession session,
        RunOptions run,
        Dictionary<string, OrtValue> fed,
        Dictionary<string, ValueHistogram> own
    )
    {
        using IDisposableReadOnlyCollection<OrtValue> results = session.Run(run, fed, graph.Activations);
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
