using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Features;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Encoders;

/// <summary>Features of texts by a small BERT, against PyTorch on each text alone and not padded.</summary>
[TestClass]
public sealed class TextBackboneTests
{
    // float32 sums of 32 to 64 numbers below 4, in another order than PyTorch's: some 1e-6.
    private const float Tolerance = 1e-5f;

    private static readonly string[] Texts =
    [
        "The oven, slowly!",
        "rain",
        "= butter = garlic = whisk = pepper = violin = tempo = drums = octave",
        "unknown: ☃ and 日本",
        string.Join(' ', Enumerable.Repeat("thunder fog melody", 40)),
    ];

    private static readonly Lazy<TinyBert> Plain = new(() => new TinyBert("plain", Texts));

    [ClassCleanup]
    public static void Delete()
    {
        if (Plain.IsValueCreated)
            Plain.Value.Dispose();
    }

    [TestMethod]
    [DataRow("plain", TextPooling.Mean)]
    [DataRow("plain", TextPooling.Cls)]
    [DataRow("int32", TextPooling.Mean)]
    [DataRow("fixed", TextPooling.Mean)]
    public void Extract_Texts_AreThoseOfPyTorchWithoutPadding(string form, TextPooling pooling)
    {
        using var home = new TempFolder();
        using var other = form == "plain" ? null : new TinyBert(form, Texts);
        TinyBert bert = other ?? Plain.Value;
        BackboneCatalog catalog = bert.AddTo(home, options: new TextInspectionOptions { Pooling = pooling });
        Backbone backbone = new BackboneStore(catalog, home.File("cache")).Open("tiny");

        Assert.AreEqual(form == "fixed" ? 16 : TinyBert.Positions, ((TextEncoder)backbone.Card.Encoder).MaxTokens);
        CollectionAssert.AreEqual(
            new[] { "layer_1", "layer_2", "layer_3" },
            backbone.Card.Taps.Select(t => t.Name).ToArray()
        );
        using var extractor = new FeatureExtractor(backbone, [.. backbone.Card.Taps.Select(t => t.Name)]);
        ItemRows rows = extractor.Extract(Items(Texts), home.File("features"));
        Assert.HasCount(Texts.Length, rows.Accepted);
        for (int i = 0; i < Texts.Length; i++)
            AssertNear(Expected(bert.Said[i], pooling), rows.Row(i), Texts[i]);
        CollectionAssert.AreEqual(rows.Values, extractor.Extract(Items(Texts), home.File("features")).Values);
    }

    [TestMethod]
    public void Run_TextsOfManyLengthsTogether_AreThoseOfEachAlone()
    {
        using var home = new TempFolder();
        Backbone backbone = new BackboneStore(Plain.Value.AddTo(home), home.File("cache")).Open("tiny");
        OnnxModel features = FeatureGraph.Build(backbone.LoadModel(), [.. backbone.Card.Taps.Select(t => t.Tensor)]);
        var encoder = (TextEncoder)backbone.Card.Encoder;
        using var graph = new ItemGraph(features.ToBytes(), FeatureGraph.Output, encoder);
        using ItemGraphBatch batch = graph.CreateBatch(Texts.Length);
        for (int i = 0; i < Texts.Length; i++)
            encoder.Encode(Texts[i], batch.Item(i).Tensor<long>(0));
        batch.Run(Texts.Length);
        for (int i = 0; i < Texts.Length; i++)
            AssertNear(Expected(Plain.Value.Said[i], TextPooling.Mean), batch.Row(i), Texts[i]);
    }

    [TestMethod]
    [DataRow("plain", null, 49, "takes at most 48 tokens, by its table of positions; --max-tokens is 49")]
    [DataRow("fixed", null, 8, "takes exactly 16 tokens; --max-tokens is 8")]
    [DataRow("causal", null, null, "a decoder")]
    [DataRow("nomask", null, null, "does not heed its attention mask")]
    [DataRow("plain", true, null, "no token with a capital letter")]
    public void Add_ModelThatCannotBeABackboneOfTexts_SaysWhy(string form, bool? cased, int? tokens, string message)
    {
        using var home = new TempFolder();
        using var other = form == "plain" ? null : new TinyBert(form);
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            (other ?? Plain.Value).AddTo(home, options: new TextInspectionOptions { Cased = cased, MaxTokens = tokens })
        );
        StringAssert.Contains(error.Message, message);
    }

    [TestMethod]
    [DataRow(-1, "The vocabulary has 78 tokens; the model's table 'words.weight' has 78 rows", false)]
    [DataRow(1, "79 tokens; the model's table 'words.weight' has 78 rows, and each token needs one", true)]
    [DataRow(-60, "18 tokens", false)]
    public void Add_VocabularyOfAnotherSize_IsRefusedWhereItDoesNotFit(int more, string message, bool isRefused)
    {
        using var home = new TempFolder();
        string[] tokens = File.ReadAllLines(Plain.Value.Vocabulary);
        string file = home.Write("other.txt", []);
        File.WriteAllLines(file, more > 0 ? [.. tokens, "extra"] : tokens[..^-more]);
        var options = new TextInspectionOptions { Vocabulary = file };
        if (isRefused)
            StringAssert.Contains(
                Assert.ThrowsExactly<TransferException>(() => Plain.Value.AddTo(home, options: options)).Message,
                message
            );
        else
            // A table may be padded up to a multiple of 128.
            Assert.HasCount(TinyBert.Layers, Plain.Value.AddTo(home, options: options).Get("tiny").Taps);
    }

    [TestMethod]
    public void Add_TextModelAsImages_NamesTheKind()
    {
        using var home = new TempFolder();
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            new UserCatalog(home.Path).Add(new NewBackbone { Source = Plain.Value.Model, Id = "x" })
        );
        StringAssert.Contains(error.Message, "'attention_mask'");
        StringAssert.Contains(error.Message, "--kind text");
    }

    [TestMethod]
    public void Add_ImageModelAsText_NamesWhatItTakes()
    {
        using var home = new TempFolder();
        home.Write("vocab.txt", File.ReadAllBytes(Plain.Value.Vocabulary));
        string model = home.File("images.onnx");
        new GraphBuilder()
            .Input("pixels", ["N", 3, 8, 8])
            .Node("GlobalAveragePool", ["pixels"], ["pooled"])
            .Output("pooled", ["N", 3, 1, 1])
            .Build()
            .Save(model);
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            new UserCatalog(home.Path).Add(
                new NewBackbone
                {
                    Source = model,
                    Id = "x",
                    Text = new TextInspectionOptions(),
                }
            )
        );
        StringAssert.Contains(error.Message, "'pixels' is Float [N, 3, 8, 8]");
        StringAssert.Contains(error.Message, "add it without --kind text");
    }

    [TestMethod]
    [DataRow("past_key_values.0.key", "'past_key_values.0.key': it is a decoder")]
    [DataRow("decoder_input_ids", "'decoder_input_ids': it is a decoder")]
    [DataRow("position_ids", "positions, is computed inside")]
    public void Find_InputsOfOtherModels_NamesThem(string extra, string message)
    {
        OnnxModel model = new GraphBuilder()
            .Input("input_ids", ["N", "T"], Onnx.Proto.TensorProto.Types.DataType.Int64)
            .Input("attention_mask", ["N", "T"], Onnx.Proto.TensorProto.Types.DataType.Int64)
            .Input(extra, ["N", "T"], Onnx.Proto.TensorProto.Types.DataType.Int64)
            .Node("Add", ["input_ids", extra], ["sum"])
            .Node("Add", ["sum", "attention_mask"], ["logits"])
            .Output("logits", ["N", "T"], Onnx.Proto.TensorProto.Types.DataType.Int64)
            .Build();
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => TextInputs.Find(model)).Message, message);
    }

    [TestMethod]
    [DataRow("""{"tokenizer_class": "RobertaTokenizer"}""", null, "RobertaTokenizer")]
    [DataRow("""{"do_lower_case": true}""", true, "do_lower_case true; --cased asks for the opposite")]
    [DataRow("""{"do_lower_case": """, null, "tokenizer_config.json' cannot be read")]
    public void Of_TokenizerConfigurationThatContradicts_SaysWhat(string json, bool? cased, string message)
    {
        using var home = new TempFolder();
        home.Write("tokenizer_config.json", System.Text.Encoding.UTF8.GetBytes(json));
        var options = new TextInspectionOptions
        {
            Vocabulary = Plain.Value.Vocabulary,
            Folder = home.Path,
            Cased = cased,
        };
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => TextTokenizer.Of(options)).Message,
            message
        );
    }

    [TestMethod]
    public void Of_TokenizerConfiguration_CountsWithoutOptions()
    {
        using var home = new TempFolder();
        File.WriteAllLines(home.File("vocab.txt"), [.. File.ReadAllLines(Plain.Value.Vocabulary), "Paris"]);
        TextTokenizer beside = TextTokenizer.Of(new TextInspectionOptions { Folder = home.Path });
        Assert.IsFalse(beside.LowerCase, "the vocabulary has a capital");
        home.Write("tokenizer_config.json", """{"do_lower_case": true, "model_max_length": 40}"""u8.ToArray());
        TextTokenizer stated = TextTokenizer.Of(new TextInspectionOptions { Folder = home.Path });
        Assert.IsTrue(stated.LowerCase);
        Assert.AreEqual(40, stated.MaxTokens);
    }

    [TestMethod]
    public void Add_WithoutAVocabulary_AsksForIt()
    {
        using var home = new TempFolder();
        string model = home.Write("alone/model.onnx", File.ReadAllBytes(Plain.Value.Model));
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            new UserCatalog(home.Path).Add(
                new NewBackbone
                {
                    Source = model,
                    Id = "x",
                    Text = new TextInspectionOptions(),
                }
            )
        );
        StringAssert.Contains(error.Message, "--vocabulary vocab.txt");
        StringAssert.Contains(error.Message, home.File("alone"));
    }

    internal static DataItem[] Items(IEnumerable<string> texts) =>
        [.. texts.Select((text, i) => new DataItem(new TextLocation(text), $"text {i}"))];

    private static float[] Expected(TinyBert.Answer said, TextPooling pooling) =>
        [.. (pooling == TextPooling.Mean ? said.Mean : said.Cls).SelectMany(layer => layer)];

    private static void AssertNear(float[] expected, ReadOnlySpan<float> found, string what)
    {
        Assert.AreEqual(expected.Length, found.Length);
        for (int d = 0; d < expected.Length; d++)
            Assert.AreEqual(expected[d], found[d], Tolerance, $"{what}, feature {d}");
    }
}
