using MlNetTransfer.Backbones;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Backbones.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones;

/// <summary>
/// Small networks with the same names inside and different operator sets, sizes and preprocessings; and images of two
/// classes, stripes across and down in random colours.
/// </summary>
internal sealed class SideNetworks : IDisposable
{
    private readonly TempFolder folder = new();
    private readonly UserCatalog users;

    public SideNetworks(int perClass = 20)
    {
        users = new UserCatalog(folder.File("home"));
        for (int c = 0; c < 2; c++)
        for (int i = 0; i < perClass; i++)
            folder.Write($"images/{(c == 0 ? "across" : "down")}/{i:d3}.bmp", Stripes(c == 0, 1000 * c + i));
    }

    public BackboneCatalog Catalog => BackboneCatalog.Shipped.With(users.Read());

    public string Images => folder.File("images");

    public string File(string name) => folder.File(name);

    /// <summary>Adds a network.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="seed">Of its weights.</param>
    /// <param name="preprocessing">Name of its preprocessing.</param>
    /// <param name="size">Side of its input.</param>
    /// <param name="width">Features of its last tap.</param>
    /// <param name="opset">Its operator set.</param>
    /// <param name="users">Where it is added; null for a catalog of the task's own.</param>
    public SideNetworks Add(
        string id,
        int seed,
        string preprocessing = "unit",
        int size = 16,
        int width = 24,
        int opset = 13,
        UserCatalog? users = null
    )
    {
        GraphBuilder graph = new GraphBuilder("net").Input("pixels", ["N", 3, size, size]);
        string x = "pixels";
        const int layers = 2,
            kernel = 3;
        int channels = 3;
        for (int i = 0; i < layers; i++)
        {
            graph
                .Initializer(RandomTensor.Of($"w{i}", seed + i, width, channels, kernel, kernel))
                .Node(
                    "Conv",
                    [x, $"w{i}"],
                    [$"conv{i}"],
                    Attributes.Of("pads", [kernel / 2, kernel / 2, kernel / 2, kernel / 2])
                )
                .Node("Relu", [$"conv{i}"], [$"relu{i}"]);
            (x, channels) = ($"relu{i}", width);
        }

        graph.Node("GlobalAveragePool", [x], ["pool"]).Node("Flatten", ["pool"], ["row"], Attributes.Of("axis", 1));
        graph
            .Initializer(RandomTensor.Of("fc", seed + 9, 5, width))
            .Node("MatMul", ["row", "fct"], ["logits"])
            .Node("Transpose", ["fc"], ["fct"], Attributes.Of("perm", [1, 0]));
        graph.Output("logits", ["N", 5]).Build(opset).Save(folder.File($"{id}.onnx"));
        (users ?? this.users).Add(
            new NewBackbone
            {
                Source = folder.File($"{id}.onnx"),
                Id = id,
                Inspection = TinyOnnx.With(preprocessing, size),
            }
        );
        return this;
    }

    public TrainOptions Options(string backbone, string output = "out") =>
        new()
        {
            Folder = Images,
            Output = folder.File(output),
            Backbone = backbone,
            CacheFolder = folder.File("cache"),
            Folds = 4,
            Workers = 2,
        };

    public TrainSummary Run(TrainOptions options) => new TrainJob(options, new JobServices { Catalog = Catalog }).Run();

    public void Dispose() => folder.Dispose();

    private static byte[] Stripes(bool across, int seed)
    {
        var rng = new Rng(seed);
        byte[] file = Bmp.Plain(0, 0, 0);
        int phase = rng.Next(4);
        int[] colours =
        [
            rng.Next(110),
            rng.Next(110),
            rng.Next(110),
            130 + rng.Next(120),
            130 + rng.Next(120),
            130 + rng.Next(120),
        ];
        for (int y = 0; y < 16; y++)
        for (int x = 0; x < 16; x++)
        {
            bool on = ((across ? y : x) + phase) / 2 % 2 == 0;
            for (int c = 0; c < 3; c++)
                file[54 + 48 * y + 3 * x + c] = (byte)Math.Clamp(colours[(on ? 3 : 0) + c] + rng.Next(80) - 40, 0, 255);
        }

        return file;
    }
}
