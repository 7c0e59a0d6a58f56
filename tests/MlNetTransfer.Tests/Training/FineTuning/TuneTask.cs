using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Backbones.Onnx;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training.FineTuning;

/// <summary>
/// A task and a network small enough to be trained in a second: stripes in two directions and chequers, of random
/// colours, and a residual network of 16 px.
/// </summary>
internal sealed class TuneTask : IDisposable
{
    public const string Id = "small";

    private readonly TempFolder folder = new();

    public TuneTask(int perClass = 12, OnnxModel? network = null, bool batchNormalization = true)
    {
        string[] names = ["across", "chequer", "down"];
        for (int c = 0; c < 3; c++)
        for (int i = 0; i < perClass; i++)
            folder.Write($"images/{names[c]}/{i:d3}.bmp", Pattern(c, 100 * c + i));
        (network ?? Network(batchNormalization)).Save(folder.File("small.onnx"));
        var users = new UserCatalog(folder.File("home"));
        users.Add(
            new NewBackbone
            {
                Source = folder.File("small.onnx"),
                Id = Id,
                Inspection = TinyOnnx.Unit,
            }
        );
        Catalog = BackboneCatalog.Shipped.With(users.Read());
    }

    public BackboneCatalog Catalog { get; }

    public string Images => folder.File("images");

    public string Home => folder.File("home");

    public string File(string name) => folder.File(name);

    /// <summary>A run into a folder of its own, of few and quick epochs.</summary>
    public TrainOptions Options(
        string output,
        TrainingStrategy strategy,
        Func<FineTuneOptions, FineTuneOptions>? tune = null
    ) =>
        new()
        {
            Folder = Images,
            Output = folder.File(output),
            Backbone = Id,
            Taps = [.. Catalog.Get(Id).Taps.Select(t => t.Name)],
            CacheFolder = folder.File("cache"),
            Strategy = strategy,
            TestFraction = 0.2,
            Workers = 2,
            FineTune =
                strategy == TrainingStrategy.Head
                    ? new FineTuneOptions()
                    : (tune ?? (o => o))(
                        new FineTuneOptions
                        {
                            Epochs = 3,
                            BatchSize = 8,
                            Threads = 1,
                            LearningRate = 3e-3,
                            Augmentation = AugmentationPreset.Light,
                            Draws = 2,
                            Freeze = strategy == TrainingStrategy.FineTune ? FreezeBoundary.OfBlocks(1) : null,
                        }
                    ),
        };

    public TrainSummary Run(
        TrainOptions options,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    ) => new TrainJob(options, new JobServices { Catalog = Catalog }).Run(progress, cancellation);

    public byte[] Model(string output) => System.IO.File.ReadAllBytes(folder.File($"{output}/model.onnx"));

    /// <summary>Float initializers of a written model by name.</summary>
    public Dictionary<string, float[]> Weights(string output) =>
        WeightsOf(OnnxModel.Load(folder.File($"{output}/model.onnx")));

    /// <summary>Those of the backbone, under the names it was given.</summary>
    public Dictionary<string, float[]> Pretrained() =>
        WeightsOf(new BackboneStore(Catalog, folder.File("cache/backbones")).Open(Id).LoadModel());

    /// <summary>
    /// A stem, a residual unit, a chain of one layer, a residual unit, a classifier of five; with batch normalisation
    /// whose statistics are not those of the data.
    /// </summary>
    public static OnnxModel Network(bool batchNormalization = true, string inBlock = "Relu")
    {
        GraphBuilder graph = new GraphBuilder("small").Input("pixels", ["N", 3, 16, 16]);
        string x = Relu(graph, Layer(graph, "stem", "pixels", 3, 8, 2, batchNormalization), "stem_relu");
        x = Unit(graph, "one", x, 8, batchNormalization, "Relu");
        x = Relu(graph, Layer(graph, "down", x, 8, 12, 2, batchNormalization), "down_relu");
        x = Unit(graph, "two", x, 12, batchNormalization, inBlock);
        graph.Node("GlobalAveragePool", [x], ["pool"]).Node("Flatten", ["pool"], ["row"], Attributes.Of("axis", 1));
        return graph
            .Initializer(TinyOnnx.Weights("fc", 9, 5, 12))
            .Node("Gemm", ["row", "fc"], ["logits"], Attributes.Of("transB", 1))
            .Output("logits", ["N", 5])
            .Build();
    }

    public void Dispose() => folder.Dispose();

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
            .Initializer(TinyOnnx.Weights($"{name}.weight", name.Length + from * 7 + to, to, from, 3, 3))
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

    private static Dictionary<string, float[]> WeightsOf(OnnxModel model) =>
        model.Initializers.Where(i => i.DataType == 1).ToDictionary(i => i.Name, TensorData.ToFloats);

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
