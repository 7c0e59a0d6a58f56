using System.Security.Cryptography;
using MlNetTransfer.Encoders;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Features;

[TestClass]
public sealed class FeatureCacheTests
{
    private static readonly Preprocessing Images = new() { Size = 224 };
    private static readonly FeatureSpace Space = new(
        "abc",
        ["tap"],
        new ImageEncoder(Images),
        "decoder 1",
        "runtime 1",
        "cpu"
    );
    private static readonly byte[] Image = SHA256.HashData([1]);
    private static readonly float[] Row = [1, -2, 3.5f];

    [TestMethod]
    public void TryRead_AfterReopening_GivesTheStoredBits()
    {
        using var folder = new TempFolder();
        using (var cache = new FeatureCache(folder.Path, Space, 3))
            cache.Add(Image, Row);
        using var again = new FeatureCache(folder.Path, Space, 3);
        var found = new float[3];
        Assert.IsTrue(again.TryRead(Image, found));
        CollectionAssert.AreEqual(Row, found);
        Assert.IsFalse(again.TryRead(SHA256.HashData([2]), found));
    }

    [TestMethod]
    public void TryRead_OtherSpace_IsAMissForEveryPartOfTheKey()
    {
        using var folder = new TempFolder();
        using (var cache = new FeatureCache(folder.Path, Space, 3))
            cache.Add(Image, Row);
        FeatureSpace[] others =
        [
            Space with
            {
                Graph = "abd",
            },
            Space with
            {
                Taps = ["other"],
            },
            Space with
            {
                Encoder = new ImageEncoder(Images with { Size = 192 }),
            },
            Space with
            {
                Encoder = new ImageEncoder(Images with { Interpolation = Interpolation.Bicubic }),
            },
            Space with
            {
                Encoder = new ImageEncoder(Images with { Framing = Framing.CenterCrop }),
            },
            Space with
            {
                Encoder = new ImageEncoder(Images with { Mean = new ChannelValues(0, 0, 0.5f) }),
            },
            Space with
            {
                Encoder = new ImageEncoder(Images with { Std = new ChannelValues(1, 1, 0.5f) }),
            },
            Space with
            {
                Decoder = "decoder 2",
            },
            Space with
            {
                Runtime = "runtime 2",
            },
            Space with
            {
                Device = "gpu",
            },
        ];
        foreach (FeatureSpace other in others)
        {
            using var cache = new FeatureCache(folder.Path, other, 3);
            Assert.IsFalse(cache.TryRead(Image, new float[3]), other.ToString());
        }
    }

    [TestMethod]
    public void TryRead_AnyByteOfTheRecordDamaged_IsAMissAndCanBeStoredAgain()
    {
        using var folder = new TempFolder();
        using (var cache = new FeatureCache(folder.Path, Space, 3))
            cache.Add(Image, Row);
        string file = Directory.GetFiles(folder.Path, "*.features").Single();
        byte[] whole = File.ReadAllBytes(file);
        const int header = 8 + 32 + 4;
        for (int i = header; i < whole.Length; i++)
        {
            byte[] damaged = [.. whole];
            damaged[i] ^= 0x10;
            File.WriteAllBytes(file, damaged);
            using var cache = new FeatureCache(folder.Path, Space, 3);
            var found = new float[3];
            Assert.IsFalse(cache.TryRead(Image, found), $"byte {i}");
            cache.Add(Image, Row);
            Assert.IsTrue(cache.TryRead(Image, found), $"byte {i}, stored again");
        }
    }

    [TestMethod]
    public void Open_FileCutOffAtEveryLength_KeepsWholeRecordsAndGoesOn()
    {
        using var folder = new TempFolder();
        byte[] second = SHA256.HashData([2]);
        using (var cache = new FeatureCache(folder.Path, Space, 3))
        {
            cache.Add(Image, Row);
            cache.Add(second, Row);
        }

        string file = Directory.GetFiles(folder.Path, "*.features").Single();
        byte[] whole = File.ReadAllBytes(file);
        const int header = 8 + 32 + 4,
            record = 32 + 3 * 4 + 8;
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(file, whole[..length]);
            using var cache = new FeatureCache(folder.Path, Space, 3);
            Assert.AreEqual(length < header ? 0 : (length - header) / record, cache.Count, $"length {length}");
            cache.Add(second, Row);
            Assert.IsTrue(cache.TryRead(second, new float[3]), $"length {length}");
        }
    }

    [TestMethod]
    public void Open_WhileAnotherWrites_ReadsAndLeavesTheFileAlone()
    {
        using var folder = new TempFolder();
        using var writer = new FeatureCache(folder.Path, Space, 3);
        writer.Add(Image, Row);
        using var reader = new FeatureCache(folder.Path, Space, 3);
        Assert.IsTrue(reader.TryRead(Image, new float[3]));
        reader.Add(SHA256.HashData([2]), Row);
        Assert.AreEqual(1, reader.Count);
        writer.Add(SHA256.HashData([3]), Row);
        Assert.AreEqual(2, writer.Count);
    }

    [TestMethod]
    public void Add_FromManyThreads_KeepsEveryRow()
    {
        using var folder = new TempFolder();
        using (var cache = new FeatureCache(folder.Path, Space, 3))
            Parallel.For(0, 500, i => cache.Add(SHA256.HashData(BitConverter.GetBytes(i)), [i, i + 1, i + 2]));
        using var again = new FeatureCache(folder.Path, Space, 3);
        var row = new float[3];
        for (int i = 0; i < 500; i++)
        {
            Assert.IsTrue(again.TryRead(SHA256.HashData(BitConverter.GetBytes(i)), row));
            CollectionAssert.AreEqual(new float[] { i, i + 1, i + 2 }, row);
        }
    }

    [TestMethod]
    public void Open_FolderIsAFile_SaysSo()
    {
        using var folder = new TempFolder();
        string file = folder.Write("x", [1]);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => new FeatureCache(file, Space, 3)).Message,
            file
        );
    }
}
