using BenchmarkDotNet.Attributes;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Backbones;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Benchmarks.Ratios;

/// <summary>
/// Features of image files on all cores, beside a bare ONNX Runtime session with default options on as many ready
/// tensors; and its other part alone, decoding and preprocessing on all cores.
/// </summary>
public class FeaturiseBenchmark
{
    private const int Images = 8;
    private readonly DataItem[] items = Drawings.Items(Images);
    private ItemGraph? graph;
    private InferenceSession? session;
    private float[] tensor = [];

    [GlobalSetup]
    public void Setup()
    {
        Backbone backbone = Drawings.Backbone();
        (byte[] onnx, graph) = FeatureGraph.Open(
            backbone.LoadModel(),
            [backbone.Card.Tap().Tensor],
            backbone.Card.Encoder,
            limits: null,
            plan: null
        );
        session = new InferenceSession(onnx);
        tensor = [.. Enumerable.Range(0, graph.Preprocessing.TensorLength).Select(i => i % 255 / 255f)];
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        session!.Dispose();
        graph!.Dispose();
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Images)]
    public void BareSession()
    {
        int size = graph!.Preprocessing.Size;
        using var options = new RunOptions();
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(tensor, [1, 3, size, size]);
        for (int i = 0; i < Images; i++)
            session!.Run(options, graph.InputNames, [input], [FeatureGraph.Output]).Dispose();
    }

    [Benchmark(OperationsPerInvoke = Images)]
    public ItemRows Runner() => new ItemRunner(graph!).Run(items, "features");

    [Benchmark(OperationsPerInvoke = Images)]
    public void Decoding() =>
        Parallel.ForEach(
            items,
            () => (new ImagePreprocessor(graph!.Preprocessing), new ItemReader(), new float[tensor.Length]),
            (item, _, part) =>
            {
                (ImagePreprocessor images, ItemReader reader, float[] into) = part;
                images.Process(reader.Read(item), into);
                return part;
            },
            part =>
            {
                part.Item1.Dispose();
                part.Item2.Dispose();
            }
        );
}
