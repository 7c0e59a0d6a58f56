using MlNetTransfer.Onnx;

namespace MlNetTransfer.Tests.Shared;

/// <summary>
/// A residual network of 16 px, small enough to be trained in a second, and images for it: stripes in two directions
/// and chequers, of random colours.
/// </summary>
internal static class SmallNetwork
{
    private static readonly string[] Classes = ["across", "chequer", "down"];

    /// <summary>Writes images of three classes, each in a folder of its name.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="below">The folder in it.</param>
    /// <param name="perClass">How many of each class.</param>
    public static void WriteImages(TempFolder folder, string below, int perClass)
    {
        for (int c = 0; c < Classes.Length; c++)
        for (int i = 0; i < perClass; i++)
            folder.Write($"{below}/{Classes[c]}/{i:d3}.bmp", Pattern(c, 100 * c + i));
    }

    /// <summary>
    /// A stem, a residual unit, a chain of one layer, a residual unit, a classifier of five; with batch normalisation
    /// whose statistics are not those of the data.
    /// </summary>
    public static OnnxModel Build(bool batchNormalization = true, string inBlock = "Relu")
    {
        GraphBuilder graph = new GraphBuilder("small").Input("pixels", ["N", 3, 16, 16]);
        string x = Relu(graph, Layer(graph, "stem", "pixels", 3, 8, 2, batchNormalization), "stem_relu");
        x = Unit(graph, "one", x, 8, batchNormalization, "Relu");
        x = Relu(graph, Layer(graph, "down", x, 8, 12, 2, batchNormalization), "down_relu");
        x = Unit(graph, "two", x, 12, batchNormalization, inBlock);
        graph.Node("GlobalAveragePool", [x], ["pool"]).Node("Flatten", ["pool"], ["row"], Attributes.Of("axis", 1));
        return graph
            .Initializer(RandomTensor.Of("fc", 9, 5, 12))
            .Node("Gemm", ["row", "fc"], ["logits"], Attributes.Of("transB", 1))
            .Output("logits", ["N", 5])
            .Build();
    }

    private static string Unit(GraphBuilder graph, string name, string x, int channels, bool norm, string activation)
    {
        string inner = Layer(graph, name + "_a", x, channels, channels, 1, norm);
        graph.Node(activation, [inner], [name + "_a_act"]);
        string y = Layer(graph, name + "_b", name + "_a_act", channels, channels, 1, norm);
        graph.Node("Add", [y, x], [name + "_add"]);
        return Relu(graph, name + "_add", name + "_relu");
    }

    private static string Relu(GraphBuilder graph, string x, string name)
    {
        graph.Node("Relu", [x], [name]);
        return name;
    }

    private static string Layer(GraphBuilder graph, string name, string x, int from, int to, int stride, bool norm)
    {
        graph
            .Initializer(RandomTensor.Of($"{name}.weight", name.Length + from * 7 + to, to, from, 3, 3))
            .Node(
                "Conv",
                [x, $"{name}.weight"],
                [$"{name}_conv"],
                Attributes.Of("strides", [stride, stride]),
                Attributes.Of("pads", [1, 1, 1, 1])
            );
        if (!norm)
            return $"{name}_conv";
        float[] Each(float start, float step) => [.. Enumerable.Range(0, to).Select(i => start + step * (i % 3))];
        graph
            .Initializer($"{name}.scale", Each(0.9f, 0.1f), to)
            .Initializer($"{name}.shift", Each(-0.1f, 0.1f), to)
            .Initializer($"{name}.mean", Each(0.05f, 0.02f), to)
            .Initializer($"{name}.var", Each(0.6f, 0.3f), to)
            .Node(
                "BatchNormalization",
                [$"{name}_conv", $"{name}.scale", $"{name}.shift", $"{name}.mean", $"{name}.var"],
                [$"{name}_norm"]
            );
        return $"{name}_norm";
    }

    private static byte[] Pattern(int kind, int seed)
    {
        var rng = new Rng(seed);
        byte[] file = Bmp.Plain(0, 0, 0);
        int[] dark = [rng.Next(120), rng.Next(120), rng.Next(120)],
            light = [130 + rng.Next(120), 130 + rng.Next(120), 130 + rng.Next(120)];
        int phase = rng.Next(4),
            width = 2;
        for (int y = 0; y < 16; y++)
        for (int x = 0; x < 16; x++)
        {
            bool on = kind switch
            {
                0 => (y + phase) / width % 2 == 0,
                1 => ((x + phase) / width + (y + phase) / width) % 2 == 0,
                _ => (x + phase) / width % 2 == 0,
            };
            for (int c = 0; c < 3; c++)
                file[54 + 48 * y + 3 * x + c] = (byte)Math.Clamp((on ? light[c] : dark[c]) + rng.Next(60) - 30, 0, 255);
        }

        return file;
    }
}
