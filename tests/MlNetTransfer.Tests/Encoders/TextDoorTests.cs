using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Tests.Encoders;

/// <summary>
/// Text goes the way of images, from a card to a scored model file, with nothing but an encoder and its line in the
/// registry.
/// </summary>
[TestClass]
public sealed class TextDoorTests
{
    private const int Width = 24;
    private const string Id = "bag-of-words";
    private static readonly WordEncoder Encoder = new(Length: 12, Vocabulary: 211);
    private static readonly string[] Classes = ["cooking", "music", "weather"];
    private static readonly string[][] Words =
    [
        ["butter", "oven", "flour", "simmer", "garlic", "whisk", "dough", "pepper"],
        ["violin", "chord", "tempo", "melody", "drums", "choir", "octave", "piano"],
        ["rain", "cloud", "storm", "frost", "breeze", "sunny", "thunder", "fog"],
    ];
    private static readonly string[] Fillers = ["the", "a", "then", "with", "slowly", "again", "very", "under"];

    [TestMethod]
    public void Extract_Text_IsTheMeanOfItsWordsAndIsCached()
    {
        using var folder = new TempFolder();
        BackboneCatalog catalog = Catalog(folder);
        Backbone backbone = new BackboneStore(catalog, folder.File("backbones")).Open(Id);
        DataItem[] items = [.. Texts(10, 5).Items, Item([0xff, 0xfe, 0xfd], "broken")];
        using var extractor = new FeatureExtractor(backbone, ["sentence"]);
        ItemRows first = extractor.Extract(items, folder.File("cache")),
            second = extractor.Extract(items, folder.File("cache"));

        Assert.HasCount(30, first.Accepted);
        Assert.AreEqual(new RejectedItem("broken", "not text in UTF-8"), first.Rejected.Single());
        Assert.AreEqual(30, second.FromCache);
        CollectionAssert.AreEqual(first.Values, second.Values);
        float[] table = TensorData.ToFloats(backbone.LoadModel().Initializers.Single(i => i.Name == "table"));
        for (int row = 0; row < 30; row++)
        {
            long[] tokens = Encoder.Tokens(Text(items[row]));
            for (int d = 0; d < Width; d++)
                Assert.AreEqual(
                    tokens.Average(token => (double)table[(token * Width) + d]),
                    first.Row(row)[d],
                    1e-6,
                    "float32 sums of at most 12 numbers below 4"
                );
        }
    }

    [TestMethod]
    public void Fit_Text_GivesAModelFileThatScoresText()
    {
        using var folder = new TempFolder();
        BackboneCatalog catalog = Catalog(folder);
        var options = new TrainOptions
        {
            Folder = "texts",
            Output = folder.File("out"),
            Backbone = Id,
            CacheFolder = folder.File("cache"),
            FitsAll = true,
        };
        WrittenModel written = new TrainJob(options, new JobServices { Catalog = catalog }).Fit(
            Texts(40, 1),
            null,
            default
        );

        using TransferModel model = TransferModel.Load(written.Path);
        Assert.AreEqual(Encoder, model.Metadata.Encoder);
        JsonElement stated = JsonSerializer.SerializeToElement(model.Metadata, JsonSerializerOptions.Web);
        Assert.AreEqual("words", stated.GetProperty("encoder").GetProperty("kind").GetString());
        Assert.IsFalse(stated.TryGetProperty("preprocessing", out _), "it takes no images");
        Dataset unseen = Texts(40, 2);
        ItemRows found = model.Predict(unseen.Items);
        int right = unseen.Items.Where((item, row) => Likeliest(found.Row(row)) == item.Label).Count();
        Assert.IsGreaterThan(0.95 * unseen.Items.Count, right, "each text has five words of its class alone");
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => model.Metadata.Preprocessing).Message,
            "takes words, not images"
        );
    }

    [TestMethod]
    public void Fit_TextWithANetworkToTrain_SaysWhatIsPossible()
    {
        using var folder = new TempFolder();
        var options = new TrainOptions
        {
            Folder = "texts",
            Output = folder.File("out"),
            Backbone = Id,
            CacheFolder = folder.File("cache"),
            FitsAll = true,
            Strategy = TrainingStrategy.Full,
        };
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            new TrainJob(options, new JobServices { Catalog = Catalog(folder) }).Fit(Texts(4, 1), null, default)
        );
        StringAssert.Contains(error.Message, "--strategy head");
    }

    [TestMethod]
    public void Open_CardOfAnUnknownKind_NamesThoseThereAre()
    {
        using var folder = new TempFolder();
        TransferException error = Assert.ThrowsExactly<TransferException>(() => Catalog(folder, "smells"));
        StringAssert.Contains(error.Message, "'smells'");
        StringAssert.Contains(error.Message, "images");
    }

    private static int Likeliest(ReadOnlySpan<float> row)
    {
        int best = 0;
        for (int c = 1; c < row.Length; c++)
            if (row[c] > row[best])
                best = c;
        return best;
    }

    private static string Text(DataItem item) => Encoding.UTF8.GetString(((MemoryLocation)item.Location).Bytes.Span);

    private static DataItem Item(byte[] content, string name, int label = DataItem.NoLabel) =>
        new(new MemoryLocation(content), name, label);

    private static Dataset Texts(int perClass, int seed)
    {
        var random = new Random(seed);
        List<DataItem> items = [];
        for (int label = 0; label < Classes.Length; label++)
        for (int i = 0; i < perClass; i++)
        {
            string[] words =
            [
                .. Enumerable.Range(0, 5).Select(_ => Words[label][random.Next(Words[label].Length)]),
                .. Enumerable.Range(0, 5).Select(_ => Fillers[random.Next(Fillers.Length)]),
            ];
            random.Shuffle(words);
            items.Add(Item(Encoding.UTF8.GetBytes(string.Join(' ', words)), $"{Classes[label]}/{i}", label));
        }

        return new Dataset("texts", Classes, items, []);
    }

    /// <summary>A catalogue with one network: the mean of its words' rows in a table, and a layer on it.</summary>
    private static BackboneCatalog Catalog(TempFolder folder, string? kind = null)
    {
        OnnxModel network = new GraphBuilder("words")
            .Input("ids", ["N", Encoder.Length], DataType.Int64)
            .Input("mask", ["N", Encoder.Length])
            .Initializer(RandomTensor.Of("table", 1, Encoder.Vocabulary, Width))
            .Initializer(RandomTensor.Of("dense", 2, Width, Width))
            .Initializer("last", [-1L], 1)
            .Initializer("words_axis", [1L], 1)
            .Node("Gather", ["table", "ids"], ["rows"])
            .Node("Unsqueeze", ["mask", "last"], ["wide"])
            .Node("Mul", ["rows", "wide"], ["known"])
            .Node("ReduceSum", ["known", "words_axis"], ["sum"], Attributes.Of("keepdims", 0))
            .Node("ReduceSum", ["mask", "words_axis"], ["count"], Attributes.Of("keepdims", 1))
            .Node("Div", ["sum", "count"], ["sentence"])
            .Node("MatMul", ["sentence", "dense"], ["mixed"])
            .Node("Tanh", ["mixed"], ["deep"])
            .Output("deep", ["N", Width])
            .Build();
        Directory.CreateDirectory(folder.File("packages/words"));
        network.Save(folder.File("packages/words/words.onnx"));
        string sha256 = Convert.ToHexStringLower(
            SHA256.HashData(File.ReadAllBytes(folder.File("packages/words/words.onnx")))
        );
        var card = new
        {
            id = Id,
            name = "Bag of words",
            package = "words",
            packageVersion = "1",
            format = "onnx",
            files = new[] { new { path = "words.onnx", sha256 } },
            license = "MIT",
            provenance = "made by a test",
            content = new { kind = kind ?? WordEncoder.Words.Name, settings = Encoder.Settings },
            taps = new[]
            {
                new
                {
                    name = "sentence",
                    width = Width,
                    size = 1,
                },
                new
                {
                    name = "deep",
                    width = Width,
                    size = 1,
                },
            },
            defaultTap = "deep",
            sourceClasses = Array.Empty<string>(),
        };
        File.WriteAllText(folder.File("catalog.json"), JsonSerializer.Serialize(new[] { card }));
        return BackboneCatalog.Load(folder.Path);
    }
}
