using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Models.Quantization;

/// <summary>Measures what each layer costs when it alone runs on bytes.</summary>
/// <param name="graph">The model.</param>
/// <param name="ranges">Ranges of its tensors.</param>
/// <param name="bits">How much of a byte the weights use.</param>
/// <param name="preprocessing">What the tensors went through.</param>
/// <param name="plan">Its workers measure layers side by side; the figures do not depend on their number.</param>
internal sealed class SensitivityAnalysis(
    QuantizableGraph graph,
    IReadOnlyDictionary<string, ValueRange> ranges,
    WeightBits bits,
    Preprocessing preprocessing,
    ExecutionPlan plan
)
{
    /// <summary>The error of each layer, the worst first; of equal ones, the one nearer to the input.</summary>
    /// <param name="layers">The layers to measure.</param>
    /// <param name="tensors">Images [3 × Size × Size].</param>
    /// <param name="progress">Told after every layer.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    public IReadOnlyList<LayerSensitivity> Run(
        IReadOnlyList<string> layers,
        IReadOnlyList<float[]> tensors,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        float[] expected = LogitsGraph.Run(graph.Model, tensors, preprocessing, cancellation);
        double mean = expected.Average(),
            variance = expected.Average(z => (z - mean) * (z - mean));
        var errors = new double[layers.Count];
        int next = 0,
            done = 0;
        using (var workers = new WorkerGroup(cancellation))
        {
            for (int w = Math.Min(plan.Workers, layers.Count); w > 0; w--)
                workers.Start(Work);
            workers.Wait();
        }

        return [.. layers.Zip(errors, (l, e) => new LayerSensitivity(l, e)).OrderByDescending(s => s.Error)];

        void Work(CancellationToken token)
        {
            for (int index; (index = Interlocked.Increment(ref next) - 1) < layers.Count; )
            {
                HashSet<string> others = [.. graph.Layers.Select(l => l.Name).Where(n => n != layers[index])];
                float[] found = LogitsGraph.Run(graph.Quantize(ranges, others, bits), tensors, preprocessing, token);
                double squares = expected.Zip(found, (e, f) => ((double)e - f) * ((double)e - f)).Average();
                errors[index] = variance > 0 ? squares / variance : squares;
                progress?.Report(new JobProgress("Measuring layers", Interlocked.Increment(ref done), layers.Count));
            }
        }
    }
}
