using System.Security.Cryptography;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Backbones.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones;

[TestClass]
public sealed class UserCatalogTests
{
    [TestMethod]
    public void Add_File_ServesLikeACardOfTheCatalog()
    {
        using TempFolder folder = new();
        string file = Saved(folder);
        BackboneCard card = Users(folder)
            .Add(
                New(file) with
                {
                    Name = "Mine",
                    License = "CC0-1.0",
                    Labels = ["a", "b", "c", "d", "e"],
                    DefaultTap = "map4_1",
                }
            )
            .Card;
        File.Delete(file);
        UserBackbones read = Users(folder).Read();
        Assert.IsEmpty(read.Problems);
        Assert.AreEqual(card.Digest(), read.Cards.Single().Digest(), "what Add returns is what is on the disk");
        BackboneCatalog catalog = BackboneCatalog.Shipped.With(read);
        Assert.AreEqual("resnet18", catalog.Cards[0].Id);
        Assert.IsTrue(catalog.IsUsers(catalog.Get("my_net")));

        Backbone backbone = new BackboneStore(catalog, folder.File("cache")).Open("my_net");
        Assert.AreEqual(
            ("CC0-1.0", "map4_1", 5),
            (backbone.Card.License, backbone.Card.Tap().Name, backbone.Card.SourceClasses.Count)
        );
        using var extractor = new FeatureExtractor(backbone);
        Assert.AreEqual(8, extractor.Width);
        string image = folder.Write("red.bmp", Bmp.Plain(200, 30, 60));
        ItemRows rows = extractor.Extract([new DataItem(image, "red")]);
        float[] plain =
        [
            .. from channel in (float[])[200 / 255f, 30 / 255f, 60 / 255f]
            from _ in Enumerable.Range(0, 256)
            select channel,
        ];
        float[] map = Ort.Run(TinyOnnx.Model().CutAt("relu2"), ("pixels", plain, [1, 3, 16, 16]))["relu2"];
        for (int c = 0; c < 8; c++)
            Assert.AreEqual(map[(c * 16)..(c * 16 + 16)].Average(), rows.Values[c], 1e-5f);
    }

    [TestMethod]
    public void Add_IdThatIsTaken_IsRefused()
    {
        using TempFolder folder = new();
        string file = Saved(folder);
        Users(folder).Add(New(file));
        Refused(folder, New(file), "already have a backbone 'my_net'", "models remove my_net");
        Refused(folder, New(file) with { Id = "resnet18" }, "'resnet18'", "comes with the product");
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => New(file) with { Id = "../x" }).Message,
            "lower-case"
        );
    }

    [TestMethod]
    public void Remove_OwnBackbone_IsGoneAndOthersStay()
    {
        using TempFolder folder = new();
        string file = Saved(folder);
        Users(folder).Add(New(file));
        Users(folder).Add(New(file) with { Id = "other" });
        Users(folder).Remove("my_net");
        Assert.AreEqual("other", Users(folder).Read().Cards.Single().Id);
        foreach (string id in (string[])["my_net", "resnet18", "..", "../cache"])
            Assert.ThrowsExactly<TransferException>(() => Users(folder).Remove(id));
        Assert.HasCount(1, Directory.GetFileSystemEntries(folder.File("home")));
    }

    [TestMethod]
    public void Read_DamagedCard_IsNamedAndHindersNoOther()
    {
        using TempFolder folder = new();
        string file = Saved(folder);
        Users(folder).Add(New(file));
        Users(folder).Add(New(file) with { Id = "broken" });
        File.WriteAllText(folder.File("home/broken/card.json"), "{");
        UserBackbones read = Users(folder).Read();
        Assert.AreEqual("my_net", read.Cards.Single().Id);
        StringAssert.Contains(read.Problems.Single(), "'broken'");
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => BackboneCatalog.Shipped.With(read).Get("broken")).Message,
            "card.json"
        );
    }

    [TestMethod]
    public void Open_ModelChangedOnTheDisk_IsRefused()
    {
        using TempFolder folder = new();
        Users(folder).Add(New(Saved(folder)));
        File.AppendAllText(folder.File("home/my_net/model.onnx"), "x");
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            new BackboneStore(BackboneCatalog.Shipped.With(Users(folder).Read()), folder.File("cache")).Open("my_net")
        );
        StringAssert.Contains(error.Message, "models remove my_net");
    }

    [TestMethod]
    public void Add_WrongHashLabelsOrTap_LeavesNothing()
    {
        using TempFolder folder = new();
        string file = Saved(folder);
        Refused(folder, New(file) with { Sha256 = new string('0', 64) }, Hash(File.ReadAllBytes(file)), "asked for");
        Refused(folder, New(file) with { Labels = ["a", "b"] }, "2 labels", "5 classes");
        Refused(folder, New(file) with { DefaultTap = "nope" }, "'nope'", "map8_1, map4_1, vector_1");
        Refused(folder, New(folder.File("missing.onnx")), "missing.onnx");
        Refused(folder, New(folder.Write("text.onnx", "hello"u8.ToArray())), "not an ONNX model");
        Assert.AreEqual(
            Hash(File.ReadAllBytes(file)),
            (New(file) with { Sha256 = Hash(File.ReadAllBytes(file)).ToUpperInvariant() }).Sha256
        );
    }

    [TestMethod]
    public void Add_FileOverTheCap_IsRefused()
    {
        using TempFolder folder = new();
        Refused(folder, New(Saved(folder)) with { ModelLimits = new OnnxLimits { MaxBytes = 1000 } }, "at most 1,000");
    }

    [TestMethod]
    public void Add_ExternalDataInTheFolder_IsTakenIn()
    {
        using TempFolder folder = new();
        string file = External(folder, "weights.bin");
        Users(folder).Add(New(file));
        File.Delete(file);
        File.Delete(folder.File("weights.bin"));
        OnnxModel kept = new BackboneStore(BackboneCatalog.Shipped.With(Users(folder).Read()), folder.File("cache"))
            .Open("my_net")
            .LoadModel();
        CollectionAssert.AreEqual(
            TensorData.ToFloats(TinyOnnx.Model().Initializers.Single(i => i.Name == "fc")),
            TensorData.ToFloats(kept.Initializers.Single(i => i.Name == "fc"))
        );
    }

    [TestMethod]
    [DataRow("../weights.bin")]
    [DataRow("/etc/passwd")]
    public void Add_ExternalDataOutsideTheFolder_IsRefused(string location)
    {
        using TempFolder folder = new();
        Directory.CreateDirectory(folder.File("models"));
        Refused(folder, New(External(folder, location, "models/")), location, "own folder");
    }

    [TestMethod]
    public void Add_Cancelled_LeavesNothing()
    {
        using TempFolder folder = new();
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            Users(folder).Add(New(Saved(folder)), null, new CancellationToken(canceled: true))
        );
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder.File("home")));
    }

    internal static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    internal static UserCatalog Users(TempFolder folder) => new(folder.File("home"));

    internal static NewBackbone New(string source) =>
        new()
        {
            Source = source,
            Id = "my_net",
            Inspection = TinyOnnx.Unit,
        };

    internal static void Refused(TempFolder folder, NewBackbone backbone, params string[] expected)
    {
        int before = Directory.Exists(folder.File("home"))
            ? Directory.GetFileSystemEntries(folder.File("home")).Length
            : 0;
        Exception error = Assert.Throws<Exception>(() => Users(folder).Add(backbone));
        Assert.IsTrue(error is TransferException or GraphException, error.ToString());
        foreach (string text in expected)
            StringAssert.Contains(error.Message, text);
        Assert.AreEqual(
            before,
            Directory.Exists(folder.File("home")) ? Directory.GetFileSystemEntries(folder.File("home")).Length : 0,
            "nothing half-made stays"
        );
    }

    private static string Saved(TempFolder folder)
    {
        TinyOnnx.Model().Save(folder.File("tiny.onnx"));
        return folder.File("tiny.onnx");
    }

    private static string External(TempFolder folder, string location, string into = "")
    {
        TinyOnnx
            .Model()
            .With(proto =>
            {
                TensorProto fc = proto.Graph.Initializer.Single(i => i.Name == "fc");
                folder.Write(into + "weights.bin", fc.RawData.ToByteArray());
                fc.ClearRawData();
                fc.DataLocation = TensorProto.Types.DataLocation.External;
                fc.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = location });
            })
            .Save(folder.File(into + "external.onnx"));
        return folder.File(into + "external.onnx");
    }

    [TestMethod]
    [DataRow("con")]
    [DataRow("nul.x")]
    [DataRow("lpt9")]
    [DataRow("mine.")]
    [DataRow("-x")]
    public void Id_ThatAFileSystemOrACommandLineMistakes_IsRefused(string id) =>
        Assert.Contains(
            $"'{id}'",
            Assert.ThrowsExactly<ArgumentException>(() => new NewBackbone { Source = "x.onnx", Id = id }).Message
        );
}
