using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Quantization;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Encoders;

/// <summary>Jobs on lists of texts with a small BERT made by PyTorch: train, predict, evaluate.</summary>
[TestClass]
public sealed class TextJobTests
{
    private static readonly Lazy<TinyBert> Bert = new(() => new TinyBert());

    private static readonly (string Topic, string Words)[] Topics =
    [
        ("cooking", "butter oven flour simmer garlic whisk dough pepper"),
        ("music", "violin chord tempo melody drums choir octave piano"),
        ("weather", "rain cloud storm frost breeze sunny thunder fog"),
    ];

    [ClassCleanup]
    public static void Delete()
    {
        if (Bert.IsValueCreated)
            Bert.Value.Dispose();
    }

    [TestMethod]
    public void Run_ListOfTexts_GivesAModelFileThatStandsAlone()
    {
        using var folder = new TempFolder();
        var services = new JobServices { Catalog = Bert.Value.AddTo(folder) };
        string list = List(folder, "train.csv", 20, seed: 1, extra: ",weather\n  ,music\n");
        TrainSummary trained = new TrainJob(Options(folder, list), services).Run();
        Assert.IsGreaterThan(0.9, trained.Accuracy, "each text has three words of its topic alone");
        CollectionAssert.AreEqual(
            new[] { "the text is empty", "the text is empty" },
            trained.Rejected.Select(r => r.Reason).ToArray()
        );

        // The vocabulary is in the file: nothing else is there any more.
        string model = folder.File("alone/model.onnx");
        Directory.CreateDirectory(folder.File("alone"));
        File.Move(folder.File("out/model.onnx"), model);
        Directory.Delete(folder.File("own"), recursive: true);
        ModelEvaluation judged = new EvaluateJob(
            new EvaluateOptions
            {
                Model = model,
                Folder = List(folder, "test.tsv", 10, seed: 2),
                Dataset = new DatasetOptions { TextColumn = "text" },
            }
        ).Run();
        Assert.AreEqual(30, judged.Images);
        Assert.IsGreaterThan(0.9, judged.Unseen!.Accuracy);
        PredictionSummary said = new PredictJob(
            new PredictOptions
            {
                Model = model,
                Images = [],
                Texts = ["Thunder, then FOG and rain", "a violin, a choir, drums", "\u200b"],
            }
        ).Run();
        CollectionAssert.AreEqual(new[] { "weather", "music" }, said.Predictions.Select(p => p.Label).ToArray());
        Assert.AreEqual("text 3", said.Rejected.Single().File);

        foreach (string format in new[] { "tensor", "fp16" })
        {
            ExportSummary exported = new ExportJob(Export(format)).Run();
            Assert.AreEqual(30, exported.Parity.Images);
            Assert.AreEqual(0, exported.Parity.LabelFlips, $"{format}: no text is near the border of two topics");
        }

        // Ranges are taken from other texts; the layers run on bytes, and no text changes its topic.
        ExportOptions int8 = Export("int8") with
        {
            AllowDrift = 0.5,
            // Of 7 bits, which no CPU clips; coarser weights move a probability near a half by a third.
            Quantization = new Int8Options { CalibrationImages = 10, WeightBits = WeightBits.Seven },
        };
        foreach (
            (ExportOptions options, int count) in new[]
            {
                (int8 with { CalibrationImages = [folder.File("train.csv")] }, 30),
                (int8 with { Overwrite = true }, 15),
            }
        )
        {
            ExportRecord record = new ExportJob(options).Run().Parity;
            Assert.AreEqual((count, 10, 0), (record.Images, record.CalibrationImages, record.LabelFlips));
        }

        OnnxModel onBytes = OnnxModel.Load(folder.File("exported/int8.onnx"));
        Assert.IsGreaterThan(5, onBytes.Nodes.Count(n => n.OpType == "QuantizeLinear"));

        foreach (string format in new[] { "pixels", "torchscript" })
            StringAssert.Contains(
                Assert.ThrowsExactly<TransferException>(() => new ExportJob(Export(format)).Run()).Message,
                $"The {format} format is for models of images; this one takes texts. Take --format tensor or fp16 or int8."
            );

        ExportOptions Export(string format) =>
            new()
            {
                Model = model,
                Format = format,
                Images = [folder.File("test.tsv")],
                TextColumn = "text",
                Output = folder.File($"exported/{format}.onnx"),
            };
    }

    [TestMethod]
    public void Run_EqualTexts_StayOnOneSideAndAreNamed()
    {
        using var folder = new TempFolder();
        var services = new JobServices { Catalog = Bert.Value.AddTo(folder) };
        string list = List(folder, "train.csv", 20, seed: 1, extra: "same words,music\nsame words,weather\n");
        TrainSummary trained = new TrainJob(Options(folder, list), services).Run();
        StringAssert.Contains(string.Join('\n', trained.Notes), "line 62 = line 63");
    }

    [TestMethod]
    public void Run_FolderOfTextFiles_IsReadAsTexts()
    {
        using var folder = new TempFolder();
        var services = new JobServices { Catalog = Bert.Value.AddTo(folder) };
        foreach ((int i, string topic, string text) in Texts(12, seed: 3))
            folder.Write($"files/{topic}/{i}.txt", System.Text.Encoding.UTF8.GetBytes(text));
        folder.Write("files/music/broken.txt", [0x61, 0xff]);
        TrainOptions options = Options(folder, folder.File("files")) with { Dataset = new DatasetOptions() };
        TrainSummary trained = new TrainJob(options, services).Run();
        Assert.IsGreaterThan(0.8, trained.Accuracy);
        Assert.AreEqual("music/broken.txt", trained.Rejected.Single().File);
        StringAssert.Contains(trained.Rejected.Single().Reason, "the byte 0xFF at offset 1");
    }

    [TestMethod]
    public void Run_TextColumnForImages_SaysWhatIsPossible()
    {
        using var folder = new TempFolder();
        string list = List(folder, "train.csv", 2, seed: 1);
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            new TrainJob(Options(folder, list) with { Backbone = BackboneCatalog.DefaultId }).Run()
        );
        StringAssert.Contains(error.Message, "takes images; --text-column 'text' gives it texts");
    }

    [TestMethod]
    public void Run_NothingToPredict_SaysSo() =>
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    new PredictJob(new PredictOptions { Model = "m.onnx", Images = [] }).Run()
                )
                .Message,
            "Nothing to predict"
        );

    internal static TrainOptions Options(TempFolder folder, string list) =>
        new()
        {
            Folder = list,
            Output = folder.File("out"),
            Backbone = "tiny",
            CacheFolder = folder.File("cache"),
            Dataset = new DatasetOptions { TextColumn = "text" },
        };

    internal static string List(TempFolder folder, string name, int perTopic, int seed, string extra = "")
    {
        char between = name.EndsWith(".tsv", StringComparison.Ordinal) ? '\t' : ',';
        string rows = string.Concat(Texts(perTopic, seed).Select(t => $"{t.Text}{between}{t.Topic}\n"));
        File.WriteAllText(folder.File(name), $"text{between}label\n{rows}{extra}");
        return folder.File(name);
    }

    private static IEnumerable<(int Number, string Topic, string Text)> Texts(int perTopic, int seed)
    {
        var random = new Random(seed);
        for (int i = 0; i < perTopic; i++)
            foreach ((string topic, string words) in Topics)
            {
                string[] known = words.Split(' ');
                string Word() => known[random.Next(known.Length)];
                yield return (i, topic, $"the {Word()} with {Word()} slowly {Word()} {(char)('a' + random.Next(26))}");
            }
    }
}
