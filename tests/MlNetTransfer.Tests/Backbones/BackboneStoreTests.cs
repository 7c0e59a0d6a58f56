using System.Security.Cryptography;
using MlNetTransfer.Backbones;
using MlNetTransfer.Tests.Backbones.Tfjs;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones;

[TestClass]
public sealed class BackboneStoreTests
{
    [TestMethod]
    public void Open_Twice_ImportsOnceAndGivesTheSameDigest()
    {
        using TinyCatalog tiny = new();
        Backbone first = new BackboneStore(tiny.Catalog, tiny.Cache).Open("tiny");
        DateTime written = File.GetLastWriteTimeUtc(first.Path!);
        File.Delete(tiny.ModelFile);
        Backbone second = new BackboneStore(tiny.Catalog, tiny.Cache).Open("tiny");
        Assert.AreEqual(written, File.GetLastWriteTimeUtc(second.Path!));
        Assert.AreEqual(first.Digest, second.Digest);
        Assert.AreEqual(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(first.Path!))), first.Digest);
        Assert.AreEqual("Float [N, 2, 4, 4]", second.CutAt().DeclaredShape("conv")!.ToString());
        Assert.AreEqual("conv", second.CutAt("first").Outputs.Single().Name);
    }

    /// <summary>As where somebody empties the cache while a training runs.</summary>
    [TestMethod]
    public void LoadModel_CacheRemovedSinceItWasOpened_IsMadeAgain()
    {
        using TinyCatalog tiny = new();
        var store = new BackboneStore(tiny.Catalog, tiny.Cache);
        foreach (Backbone opened in (Backbone[])[store.Open("tiny"), store.Open("tiny")])
        {
            byte[] before = opened.LoadModel().ToBytes();
            Directory.Delete(tiny.Cache, recursive: true);
            CollectionAssert.AreEqual(before, opened.LoadModel().ToBytes());
            _ = store.Open("tiny");
        }
    }

    [TestMethod]
    public void Open_SourceFileChanged_IsRefusedWithBothDigests()
    {
        using TinyCatalog tiny = new();
        string shard = Path.Combine(Path.GetDirectoryName(tiny.ModelFile)!, "weights.bin");
        byte[] bytes = File.ReadAllBytes(shard);
        bytes[3] ^= 1;
        File.WriteAllBytes(shard, bytes);
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            new BackboneStore(tiny.Catalog, tiny.Cache).Open("tiny")
        );
        StringAssert.Contains(error.Message, shard);
        StringAssert.Contains(error.Message, Convert.ToHexStringLower(SHA256.HashData(bytes)));
        StringAssert.Contains(error.Message, tiny.Catalog.Get("tiny").Files[1].Sha256);
        StringAssert.Contains(error.Message, "Restore the package");
        Assert.IsFalse(Directory.Exists(tiny.Cache));
    }

    [TestMethod]
    public void Open_SourceFileMissing_NamesIt()
    {
        using TinyCatalog tiny = new();
        File.Delete(tiny.ModelFile);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() => new BackboneStore(tiny.Catalog, tiny.Cache).Open("tiny"))
                .Message,
            tiny.ModelFile
        );
    }

    [TestMethod]
    [DataRow("")]
    [DataRow(".sha256")]
    public void Open_CachedFileDamaged_ImportsAgain(string which)
    {
        using TinyCatalog tiny = new();
        BackboneStore store = new(tiny.Catalog, tiny.Cache);
        Backbone first = store.Open("tiny");
        byte[] intact = File.ReadAllBytes(first.Path!);
        byte[] damaged = File.ReadAllBytes(first.Path + which);
        damaged[^1] ^= 1;
        File.WriteAllBytes(first.Path + which, damaged);
        Assert.AreEqual(first.Digest, store.Open("tiny").Digest);
        CollectionAssert.AreEqual(intact, File.ReadAllBytes(first.Path!));
        Assert.HasCount(2, Directory.GetFiles(tiny.Cache));
    }

    /// <summary>Many stores at once stand for many processes: they share nothing but the folder.</summary>
    [TestMethod]
    public void Open_ManyAtOnce_AllGetTheIntactModel()
    {
        using TinyCatalog tiny = new();
        string[] digests = new string[16];
        Parallel.For(
            0,
            digests.Length,
            i =>
            {
                Backbone backbone = new BackboneStore(tiny.Catalog, tiny.Cache).Open("tiny");
                backbone.LoadModel();
                digests[i] = backbone.Digest;
            }
        );
        Assert.HasCount(1, digests.Distinct());
        Assert.HasCount(2, Directory.GetFiles(tiny.Cache));
    }

    [TestMethod]
    public void Open_Cancelled_LeavesNothing()
    {
        using TinyCatalog tiny = new();
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            new BackboneStore(tiny.Catalog, tiny.Cache).Open("tiny", new CancellationToken(canceled: true))
        );
        Assert.IsFalse(Directory.Exists(tiny.Cache));
    }

    [TestMethod]
    public void Open_CacheThatCannotBeWritten_HoldsTheModelInMemory()
    {
        using TinyCatalog tiny = new(),
            writable = new();
        File.WriteAllText(tiny.Cache, "");
        Backbone held = new BackboneStore(tiny.Catalog, tiny.Cache).Open("tiny"),
            kept = new BackboneStore(writable.Catalog, writable.Cache).Open("tiny");
        Assert.IsNull(held.Path);
        Assert.AreEqual(kept.Digest, held.Digest);
        CollectionAssert.AreEqual(File.ReadAllBytes(kept.Path!), held.LoadModel().ToBytes());
    }

    [TestMethod]
    public void Open_OnnxCard_RenamesTheInput()
    {
        using TinyCatalog tiny = new(onnx: true);
        Backbone backbone = new BackboneStore(tiny.Catalog, tiny.Cache).Open("tiny");
        Assert.AreEqual(Backbone.InputName, backbone.LoadModel().Inputs.Single().Name);
    }

    /// <summary>Oracle: onnx.checker with full shape inference.</summary>
    [TestMethod]
    [DataRow("resnet18")]
    [DataRow("mobilenet_v2")]
    [DataRow("mobilenet_v2_140")]
    public void Open_ImportedModels_PassOnnxChecker(string id)
    {
        Python.Require("onnx");
        using TempFolder cache = new();
        Backbone backbone = Restored.Open(id, cache);
        backbone.CutAt().Save(cache.File("cut.onnx"));
        Python.Run(
            "import onnx, sys\nfor path in sys.argv[1:]: onnx.checker.check_model(onnx.load(path), full_check=True)",
            backbone.Path!,
            cache.File("cut.onnx")
        );
    }
}
