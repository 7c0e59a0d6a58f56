using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Features;
using MlNetTransfer.Onnx.Runtime;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Encoders;

/// <summary>The real all-MiniLM-L6-v2, added as a user would.</summary>
[TestClass]
public sealed class MiniLmTests
{
    private static readonly string[] Texts =
    [
        "A man is eating food.",
        "Someone is having a meal.",
        "The stock market fell sharply today.",
        "Shares dropped a lot on the exchange.",
        "Zażółć gęślą jaźń = 5 % of $3, naïve?",
        string.Join(' ', Enumerable.Repeat("transfer learning", 300)),
    ];

    private static readonly Lazy<(TempFolder Home, Backbone Backbone)> Added = new(() =>
    {
        var home = new TempFolder();
        var own = new UserCatalog(home.File("own"));
        own.Add(
            new NewBackbone
            {
                Source = MiniLm.Model,
                Id = "minilm",
                Text = new TextInspectionOptions { Vocabulary = MiniLm.Vocabulary },
            }
        );
        return (home, new BackboneStore(BackboneCatalog.Shipped.With(own.Read()), home.File("cache")).Open("minilm"));
    });

    [ClassCleanup]
    public static void Delete()
    {
        if (Added.IsValueCreated)
            Added.Value.Home.Dispose();
    }

    [TestMethod]
    public void Extract_Texts_AreThoseOfTheOriginalOnTokensPreparedIndependently()
    {
        Python.Require("json");
        string said = Python.Run(
            """
            import sys, json
            sys.path.insert(0, sys.argv[2])
            import word_pieces
            known = word_pieces.read(sys.argv[1])
            json.dump([word_pieces.tokens(t, known, True, 256) for t in json.loads(sys.argv[3])], sys.stdout)
            """,
            MiniLm.Vocabulary,
            Path.GetDirectoryName(TinyBert.Script("word_pieces.py"))!,
            JsonSerializer.Serialize(Texts)
        );
        long[][] tokens = JsonSerializer.Deserialize<long[][]>(said)!;
        ItemRows rows = Features();
        using var session = new OrtSession(File.ReadAllBytes(MiniLm.Model), OrtSettings.OneThread, "MiniLM");
        for (int i = 0; i < Texts.Length; i++)
        {
            float[] states = Run(session, tokens[i]);
            for (int d = 0; d < 384; d++)
                Assert.AreEqual(
                    Enumerable.Range(0, tokens[i].Length).Average(t => (double)states[(t * 384) + d]),
                    rows.Row(i)[d],
                    1e-5,
                    "the same runtime and graph; float32 means of at most 256 numbers below 4"
                );
        }
    }

    [TestMethod]
    public void Extract_Paraphrases_AreNearerThanStrangers()
    {
        ItemRows rows = Features();
        foreach ((int one, int alike, int strange) in new[] { (0, 1, 2), (0, 1, 3), (2, 3, 0), (2, 3, 1) })
            Assert.IsGreaterThan(
                Cosine(rows.Row(one), rows.Row(strange)) + 0.2,
                Cosine(rows.Row(one), rows.Row(alike)),
                $"'{Texts[one]}' and '{Texts[alike]}' say the same"
            );
    }

    [TestMethod]
    public void Add_MiniLm_IsSixLayersOf384()
    {
        BackboneCard card = Added.Value.Backbone.Card;
        Assert.HasCount(6, card.Taps);
        Assert.IsTrue(card.Taps.All(t => t.Width == 384));
        StringAssert.Contains(card.Encoder.Description, "256 of 30522 word pieces, lower case");
    }

    private static ItemRows Features()
    {
        using var extractor = new FeatureExtractor(Added.Value.Backbone, ["layer_6"]);
        return extractor.Extract(TextBackboneTests.Items(Texts));
    }

    private static float[] Run(OrtSession session, long[] tokens)
    {
        long[] shape = [1, tokens.Length];
        using OrtValue ids = OrtValue.CreateTensorValueFromMemory(tokens, shape),
            mask = OrtValue.CreateTensorValueFromMemory(Enumerable.Repeat(1L, tokens.Length).ToArray(), shape),
            types = OrtValue.CreateTensorValueFromMemory(new long[tokens.Length], shape);
        using IDisposableReadOnlyCollection<OrtValue> found = session.Run(
            new Dictionary<string, OrtValue>
            {
                ["input_ids"] = ids,
                ["attention_mask"] = mask,
                ["token_type_ids"] = types,
            },
            ["last_hidden_state"]
        );
        return found[0].GetTensorDataAsSpan<float>().ToArray();
    }

    private static double Cosine(ReadOnlySpan<float> a, ReadOnlySpan<float> b) =>
        System.Numerics.Tensors.TensorPrimitives.CosineSimilarity(a, b);
}
