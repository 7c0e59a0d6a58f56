using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Tests.Models;

[TestClass]
public sealed class ModelMetadataTests
{
    private static readonly ModelMetadata Metadata = new()
    {
        Labels = ["ant", "zèbre", "a \"quoted\" name"],
        Encoder = new ImageEncoder(
            new Preprocessing
            {
                Size = 224,
                Framing = Framing.CenterCrop,
                Interpolation = Interpolation.Bicubic,
                Mean = new(0.1f, 0.2f, 0.3f),
                Std = new(0.5f, 0.6f, 0.7f),
            }
        ),
        Backbone = "some_net",
        CardDigest = "00ff",
        Taps = ["block_3", "block_4"],
        TrainingDigest = "ff00",
    };

    [TestMethod]
    public void FromEntries_OfToEntries_GivesEveryFieldBack()
    {
        ModelMetadata found = ModelMetadata.FromEntries("m.onnx", Metadata.ToEntries().ToDictionary());
        CollectionAssert.AreEqual(Metadata.Labels.ToArray(), found.Labels.ToArray());
        CollectionAssert.AreEqual(Metadata.Taps.ToArray(), found.Taps.ToArray());
        Assert.AreEqual(Metadata with { Labels = found.Labels, Taps = found.Taps }, found);
    }

    [TestMethod]
    public void FromEntries_OfAnEarlierVersion_HasNoReliability() =>
        Assert.IsNull(ModelMetadata.FromEntries("m.onnx", Metadata.ToEntries().ToDictionary()).Reliability);

    [TestMethod]
    public void FromEntries_WithReliability_GivesItBack()
    {
        int[] labels = [.. Enumerable.Range(0, 120).Select(i => i % 3)];
        float[] said =
        [
            .. labels.SelectMany(label => new[] { 0.1f, 0.1f, 0.1f }.Select((p, c) => c == label ? 0.8f : p)),
        ];
        var reliability = new Reliability
        {
            Evidence = ReliabilityEvidence.HeldOut,
            Images = 120,
            Abstention = Abstention.Of(labels, said, 0.95),
            Sets = ClassSets.Of(labels, said, 3, 0.9),
            Unknown = new UnknownImages(0.95, 120, 300),
        };
        Reliability found = ModelMetadata
            .FromEntries("m.onnx", (Metadata with { Reliability = reliability }).ToEntries().ToDictionary())
            .Reliability!;
        CollectionAssert.AreEqual(reliability.Lines().ToArray(), found.Lines().ToArray());
        Assert.AreEqual(reliability.Sets.Lac, found.Sets!.Lac);
        Assert.AreEqual(reliability.Sets.Raps, found.Sets.Raps);
        Assert.AreEqual(reliability.Abstention.Threshold, found.Abstention!.Threshold);
        Assert.AreEqual(reliability.Unknown, found.Unknown);
    }

    [TestMethod]
    public void FromEntries_NoEntries_SaysThatItIsNotOurs()
    {
        var e = Assert.ThrowsExactly<TransferException>(() =>
            ModelMetadata.FromEntries("foreign.onnx", new Dictionary<string, string>())
        );
        StringAssert.Contains(e.Message, "foreign.onnx");
        StringAssert.Contains(e.Message, "mlnet-transfer train");
    }

    [TestMethod]
    [DataRow("format", "mlnet-transfer/99", "mlnet-transfer/99")]
    [DataRow("labels", "not json", "labels")]
    [DataRow("labels", "null", "labels")]
    [DataRow("preprocessing", """{"size":4}""", "preprocessing")]
    [DataRow("preprocessing", """{"size":224,"std":{"red":0,"green":1,"blue":1}}""", "preprocessing")]
    [DataRow("preprocessing", """{"size":224,"framing":"sideways"}""", "preprocessing")]
    [DataRow("preprocessing", """{"size":224,"newField":1}""", "preprocessing")]
    [DataRow("reliability", """{"images":3}""", "reliability")]
    [DataRow(
        "reliability",
        """{"evidence":"hearsay","images":3,"abstention":null,"sets":null,"unknown":null}""",
        "reliability"
    )]
    public void FromEntries_DamagedEntry_NamesFileAndEntry(string entry, string value, string named)
    {
        Dictionary<string, string> entries = Metadata.ToEntries().ToDictionary();
        entries["mlnet_transfer." + entry] = value;
        var e = Assert.ThrowsExactly<TransferException>(() => ModelMetadata.FromEntries("m.onnx", entries));
        StringAssert.Contains(e.Message, "m.onnx");
        StringAssert.Contains(e.Message, named);
    }
}
