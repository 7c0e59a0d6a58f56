using System.Text.Json;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Encoders;

/// <summary>Tokens of texts, against the rule written independently in Python (word_pieces.py).</summary>
[TestClass]
public sealed class TextEncoderTests
{
    private static readonly string[] Words =
    [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "big",
        "##ger",
        "Paris",
        "é",
        "e",
        "=",
    ];

    /// <summary>
    /// Texts of all that Unicode has, and a hard dozen; what Python's tables do not know yet is left out there.
    /// </summary>
    private const string Compare = """
        import sys, json, random, unicodedata
        sys.path.insert(0, sys.argv[2])
        import word_pieces
        random.seed(4)
        texts = ["Hello, World!", "na\u00efve caf\u00e9 \u00c0\u00c9\u00ce", "\u0130stanbul \u0131I", "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u039f\u0394\u039f\u03a3",
            "\u65e5\u672c\u8a9e \u30c6\u30b9\u30c8 \u4e2d\u6587", "a" * 101 + " b", "don't stop-me_now", "[PAD] [CLS] [MASK]",
            "\u0000x\u0007y\ufffdz", "tab\tnew\nline\r\nx\u00a0y\u2003z", "\ud55c\uad6d\uc5b4", "e\u0301 combined", "\ufb01 ligature",
            "\U0001f600 emoji \U0001f469\u200d\U0001f467", "\u1e9e stra\u00dfe", "\u200bzero\u00adsoft", "$100.50 + 5% = <tag> ~ ^ | `",
            "\U00020000 rare", "x\u00b2  \u00bd \u21165", "\u2028line\u2029para", "", "   ", "\u01c4 \u01c5", "word " * 400]
        ranges = [(32, 0x24f), (0x300, 0x36f), (0x370, 0x5ff), (0x900, 0xdff), (0x1e00, 0x1fff), (0x2000, 0x2fff),
            (0x3000, 0x33ff), (0xa000, 0xd7ff), (0xf900, 0xfffd), (0x1f300, 0x1f9ff), (0x10000, 0x1ffff)]
        while len(texts) < 3000:
            text = "".join(chr(random.randint(*random.choice(ranges))) for _ in range(random.randint(1, 20)))
            texts.append("".join(c for c in text if unicodedata.category(c) != "Cn"))
        known = word_pieces.read(sys.argv[1])
        lower = sys.argv[3] == "lower"
        json.dump([{"text": t, "tokens": word_pieces.tokens(t, known, lower, 256)} for t in texts], sys.stdout)
        """;

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Encode_TextsOfAllUnicode_GivesTheTokensOfAnIndependentRule(bool lowerCase)
    {
        Python.Require("json");
        TextEncoder encoder = Of(File.ReadAllLines(MiniLm.Vocabulary), lowerCase, 256);
        string said = Python.Run(
            Compare,
            MiniLm.Vocabulary,
            Path.GetDirectoryName(TinyBert.Script("word_pieces.py"))!,
            lowerCase ? "lower" : "cased"
        );
        Asked[] texts = JsonSerializer.Deserialize<Asked[]>(said, JsonSerializerOptions.Web)!;
        Assert.HasCount(3000, texts);
        var row = new long[256];
        foreach (Asked asked in texts)
        {
            int count = encoder.Encode(asked.Text, row);
            CollectionAssert.AreEqual(asked.Tokens, row[..count], JsonSerializer.Serialize(asked.Text));
            Assert.IsTrue(row[count..].All(token => token == 0), "the rest is padding");
        }
    }

    [TestMethod]
    [DataRow("bigger Paris", true, "2 4 5 1 3 0 0 0")]
    [DataRow("bigger Paris", false, "2 4 5 6 3 0 0 0")]
    [DataRow("é = E", true, "2 8 9 8 3 0 0 0")]
    [DataRow("é = E", false, "2 7 9 1 3 0 0 0")]
    [DataRow("big big big big big big big big", true, "2 4 4 4 4 4 4 3")]
    public void Encode_Text_IsWorkedOutByHand(string text, bool lowerCase, string expected)
    {
        var row = new long[8];
        Of(Words, lowerCase, 8).Encode(text, row);
        Assert.AreEqual(expected, string.Join(' ', row));
    }

    [TestMethod]
    [DataRow(new byte[] { 0x61, 0xff, 0x62 }, "the byte 0xFF at offset 1")]
    [DataRow(new byte[] { 0xc3 }, "offset 0")]
    [DataRow(new byte[] { 0x20, 0x0a, 0x07 }, "the text is empty")]
    public void Encode_WhatIsNoText_IsRejectedWithItsReason(byte[] content, string reason)
    {
        using EncoderWorker worker = Of(Words, true, 8).CreateWorker(new ImageLimits());
        ImageRejectedException error = Assert.ThrowsExactly<ImageRejectedException>(() =>
            worker.Encode(content, new EncodedItem([new Onnx.Runtime.RowTensor<long>("ids", 1, 8)], 0))
        );
        StringAssert.Contains(error.Reason, reason);
    }

    [TestMethod]
    public void Open_StatedSettings_IsTheSameEncoder()
    {
        TextEncoder encoder = Of(Words, lowerCase: false, 77);
        StatedEncoder stated = StatedEncoder.Of(encoder);
        Assert.AreEqual("texts", stated.Kind);
        Assert.AreEqual(encoder, stated.Open());
        Assert.AreNotEqual(encoder, Of(Words, lowerCase: true, 77));
    }

    [TestMethod]
    [DataRow("\"LowerCase\":true", "\"LowerCase\":1", "LowerCase")]
    [DataRow("\"MaxTokens\":9", "\"MaxTokens\":2", "MaxTokens")]
    [DataRow("\"Pooling\":\"Mean\"", "\"Pooling\":\"Max\"", "Pooling")]
    [DataRow("\"LowerCase\":true,", "", "LowerCase")]
    [DataRow("\"Vocabulary\":\"", "\"Vocabulary\":\"AA", "vocabulary")]
    [DataRow("{", "{\"Stemming\":1,", "Stemming")]
    public void Open_SettingsThatAreNotValid_NamesTheMember(string part, string wrong, string named)
    {
        string settings = JsonSerializer.Serialize(Of(Words, true, 9).Settings);
        var stated = new StatedEncoder("texts", JsonDocument.Parse(settings.Replace(part, wrong)).RootElement);
        Exception error = Assert.Throws<Exception>(() => stated.Open());
        Assert.IsTrue(error is JsonException or ArgumentException, $"{error}");
        StringAssert.Contains(error.Message, named);
    }

    [TestMethod]
    [DataRow("[PAD]|[UNK]|[CLS]|[SEP]|a|a", "'a' stands on lines 5 and 6")]
    [DataRow("[PAD]|[UNK]|[CLS]|a", "no token '[SEP]' among its 4")]
    [DataRow("[PAD]|[UNK]||[CLS]|[SEP]", "line 3 is empty")]
    public void Pack_WhatIsNoVocabulary_SaysWhere(string tokens, string message) =>
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => TextVocabulary.Pack(tokens.Split('|'))).Message,
            message
        );

    [TestMethod]
    public void Pack_Vocabulary_IsMuchSmallerThanItsText() =>
        Assert.IsLessThan(
            new FileInfo(MiniLm.Vocabulary).Length * 2 / 3,
            TextVocabulary.Pack(File.ReadAllLines(MiniLm.Vocabulary)).Length,
            "it stands in every saved model"
        );

    private static TextEncoder Of(string[] tokens, bool lowerCase, int maxTokens) =>
        new()
        {
            Vocabulary = TextVocabulary.Pack(tokens),
            LowerCase = lowerCase,
            MaxTokens = maxTokens,
            Pooling = TextPooling.Mean,
        };

    private sealed record Asked(string Text, long[] Tokens);
}
