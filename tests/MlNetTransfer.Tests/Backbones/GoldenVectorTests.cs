using System.IO.Compression;
using System.Text.Json;
using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones;

/// <summary>Oracle: TensorFlow.js itself, on its pure CPU backend (golden/PROVENANCE.md).</summary>
[TestClass]
public sealed class GoldenVectorTests
{
    /// <summary>
    /// Both sides are float32 and sum in another order: differences grow to about 1e-5 over 50 layers of values up to 6
    /// (6.4e-6 measured). 1e-4 is an order above that, and far below what any import trap costs.
    /// </summary>
    private const double Tolerance = 1e-4;

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    [DataRow("mobilenet_v2", false)]
    [DataRow("mobilenet_v2", true)]
    [DataRow("mobilenet_v2_140", false)]
    [DataRow("mobilenet_v2_140", true)]
    [DataRow("inception_v3", false)]
    [DataRow("inception_v3", true)]
    [DataRow("nanodet", false)]
    [DataRow("nanodet", true)]
    public void Import_AgainstTfjs_TapsAndProbabilitiesAgree(string id, bool optimise)
    {
        using TempFolder cache = new();
        Backbone backbone = Restored.Open(id, cache);
        string folder = Path.Combine(AppContext.BaseDirectory, "Backbones", "golden");
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, $"{id}.json")));
        foreach (JsonProperty image in golden.RootElement.GetProperty("images").EnumerateObject())
        {
            string[] taps = [.. image.Value.GetProperty("taps").EnumerateObject().Select(t => t.Name)];
            OnnxModel whole = backbone.LoadModel();
            string output = whole.Outputs.Single().Name;
            OnnxModel cut = whole.CutAt([.. taps.Select(t => backbone.Card.Tap(t).Tensor), output]);
            int size = backbone.Card.Preprocessing!.Size;
            Dictionary<string, float[]> values = Ort.Run(
                cut,
                optimise,
                (
                    Backbone.InputName,
                    Pixels(Path.Combine(folder, image.Name), backbone.Card.Preprocessing),
                    [1, 3, size, size]
                )
            );
            foreach (string tap in taps)
                Compare(
                    $"{id} (optimised: {optimise}) {image.Name} {tap}",
                    image.Value.GetProperty("taps").GetProperty(tap),
                    Pool(values[backbone.Card.Tap(tap).Tensor], backbone.Card.Tap(tap))
                );
            if (image.Value.TryGetProperty("probabilities", out JsonElement probabilities))
                Compare($"{id} (optimised: {optimise}) {image.Name} probabilities", probabilities, values[output]);
        }
    }

    private void Compare(string what, JsonElement expected, float[] actual)
    {
        double[] reference = [.. expected.EnumerateArray().Select(v => v.GetDouble())];
        Assert.HasCount(reference.Length, actual);
        Assert.IsGreaterThan(0.01, reference.Max(), "the golden values are alive");
        double difference = reference.Zip(actual, (e, a) => Math.Abs(e - a)).Max();
        TestContext.WriteLine(
            $"{what}: max difference {difference:E2} over {reference.Length} values up to {reference.Max():F3}"
        );
        Assert.IsLessThan(Tolerance, difference, what);
    }

    private static float[] Pool(float[] map, BackboneTap tap)
    {
        Assert.HasCount(tap.Width * tap.Size * tap.Size, map);
        return [.. map.Chunk(tap.Size * tap.Size).Select(channel => (float)channel.Average(v => (double)v))];
    }

    /// <summary>Bytes [size, size, RGB] to floats [3, size, size], normalised as the card says.</summary>
    private static float[] Pixels(string file, Preprocessing preprocessing)
    {
        int size = preprocessing.Size;
        (ChannelValues m, ChannelValues s) = (preprocessing.Mean, preprocessing.Std);
        float[] mean = [m.Red, m.Green, m.Blue],
            std = [s.Red, s.Green, s.Blue];
        using GZipStream stream = new(File.OpenRead(file), CompressionMode.Decompress);
        byte[] bytes = new byte[size * size * 3];
        stream.ReadExactly(bytes);
        return
        [
            .. Enumerable
                .Range(0, bytes.Length)
                .Select(i => (Channel: i / (size * size), Pixel: i % (size * size)))
                .Select(i => (bytes[i.Pixel * 3 + i.Channel] / 255f - mean[i.Channel]) / std[i.Channel]),
        ];
    }
}
