using BenchmarkDotNet.Attributes;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;

namespace MlNetTransfer.Benchmarks.Ratios;

/// <summary>
/// A JPEG of 500 x 375 to an augmented training image on one thread, beside plain preprocessing. Each image is another
/// draw, so that all operations are met.
/// </summary>
public class AugmentBenchmark
{
    private static readonly Lazy<byte[]> Photograph = new(() => Photo.Jpeg(500, 375));
    private readonly float[] tensor = new float[Drawings.Preprocessing.TensorLength];
    private ImagePreprocessor? plain;
    private ImageAugmenter? light,
        strong;
    private byte[] jpeg = [];
    private int number;

    [GlobalSetup]
    public void Setup()
    {
        jpeg = Photograph.Value;
        plain = new ImagePreprocessor(Drawings.Preprocessing);
        light = new ImageAugmenter(Drawings.Preprocessing, AugmentationOptions.Of(AugmentationPreset.Light));
        strong = new ImageAugmenter(Drawings.Preprocessing, AugmentationOptions.Of(AugmentationPreset.Strong));
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        plain!.Dispose();
        light!.Dispose();
        strong!.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Preprocess() => plain!.Process(jpeg, tensor);

    [Benchmark]
    public void Light() => light!.Process(jpeg, new AugmentationDraw(1, 0, number++), tensor);

    [Benchmark]
    public void Strong() => strong!.Process(jpeg, new AugmentationDraw(1, 0, number++), tensor);
}
