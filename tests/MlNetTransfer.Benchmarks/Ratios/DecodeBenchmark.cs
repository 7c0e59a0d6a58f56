using BenchmarkDotNet.Attributes;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Imaging;
using SkiaSharp;

namespace MlNetTransfer.Benchmarks.Ratios;

/// <summary>
/// A JPEG to float CHW 224 x 224 on one thread, beside the plain way with the library that ML.NET has: decode all of
/// it with SkiaSharp, resize, copy.
/// </summary>
public class DecodeBenchmark
{
    private static readonly Dictionary<string, Lazy<byte[]>> Photos = new()
    {
        ["500x375"] = new(() => Photo.Jpeg(500, 375)),
        ["4000x3000"] = new(() => Photo.Jpeg(4000, 3000)),
    };

    private readonly float[] tensor = new float[Drawings.Preprocessing.TensorLength];
    private byte[] jpeg = [];
    private ImagePreprocessor? preprocessor;

    [Params("500x375", "4000x3000")]
    public string Size { get; set; } = "";

    [GlobalSetup]
    public void Setup() => (jpeg, preprocessor) = (Photos[Size].Value, new ImagePreprocessor(Drawings.Preprocessing));

    [GlobalCleanup]
    public void Cleanup() => preprocessor!.Dispose();

    [Benchmark(Baseline = true)]
    public float[] SkiaSharp()
    {
        Preprocessing to = Drawings.Preprocessing;
        using SKBitmap whole = SKBitmap.Decode(jpeg);
        using SKBitmap small = whole.Resize(
            new SKImageInfo(to.Size, to.Size, SKColorType.Rgba8888, SKAlphaType.Opaque),
            SKFilterQuality.Medium
        );
        ReadOnlySpan<byte> pixels = small.GetPixelSpan();
        float[] mean = [to.Mean.Red, to.Mean.Green, to.Mean.Blue],
            std = [to.Std.Red, to.Std.Green, to.Std.Blue];
        int plane = to.Size * to.Size;
        for (int c = 0; c < 3; c++)
        for (int i = 0; i < plane; i++)
            tensor[c * plane + i] = (pixels[4 * i + c] / 255f - mean[c]) / std[c];
        return tensor;
    }

    [Benchmark]
    public float[] ImagePreprocessor()
    {
        preprocessor!.Process(jpeg, tensor);
        return tensor;
    }
}
