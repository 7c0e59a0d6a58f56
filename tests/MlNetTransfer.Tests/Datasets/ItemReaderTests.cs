using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx.Torch.Script;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Datasets;

[TestClass]
public sealed class ItemReaderTests
{
    // From APPNOTE 4.3.7 and 4.3.12: offsets of the fields in the directory's header and in the local header.
    private const int DirectoryFlags = 8,
        DirectoryCrc = 16,
        DirectorySize = 24,
        LocalFlags = 6;

    [TestMethod]
    public void Read_FileZipEntryAndMemory_GivesTheSameBytes()
    {
        using var folder = new TempFolder();
        byte[] small = Bmp.Plain(1, 2, 3),
            large = [.. Enumerable.Range(0, 200_000).Select(i => (byte)(i * 31 / 7))];
        string file = folder.Write("a.bmp", small),
            zip = folder.Zip("b.zip", ("x/a.bmp", small), ("large", large));
        using var reader = new ItemReader();
        CollectionAssert.AreEqual(small, reader.Read(new DataItem(file, "a")).ToArray());
        CollectionAssert.AreEqual(large, reader.Read(new DataItem(new ZipEntryLocation(zip, "large"), "l")).ToArray());
        CollectionAssert.AreEqual(
            small,
            reader.Read(new DataItem(new ZipEntryLocation(zip, "x/a.bmp"), "x")).ToArray()
        );
        CollectionAssert.AreEqual(small, reader.Read(new DataItem(new MemoryLocation(small), "m")).ToArray());
    }

    [TestMethod]
    public void Read_LongerThanTheLimit_IsRejectedFromEverySource()
    {
        using var folder = new TempFolder();
        byte[] bytes = new byte[1001];
        string file = folder.Write("a", bytes),
            zip = folder.Zip("a.zip", ("a", bytes));
        foreach (
            ItemLocation location in (ItemLocation[])
                [new FileLocation(file), new ZipEntryLocation(zip, "a"), new MemoryLocation(bytes)]
        )
            StringAssert.Contains(Reason(location, new ImageLimits { MaxBytes = 1000 }), "1001 bytes", $"{location}");
    }

    [TestMethod]
    public void Read_Empty_IsRejectedFromEverySource()
    {
        using var folder = new TempFolder();
        foreach (
            ItemLocation location in (ItemLocation[])
                [
                    new FileLocation(folder.Write("a", [])),
                    new ZipEntryLocation(folder.Zip("a.zip", ("a", [])), "a"),
                    new MemoryLocation(default),
                ]
        )
            StringAssert.Contains(Reason(location), "empty", $"{location}");
    }

    [TestMethod]
    [DataRow(100u)]
    [DataRow(50_000u)]
    public void Read_EntryThatLiesAboutItsSize_IsRejected(uint claimed)
    {
        using var folder = new TempFolder();
        string zip = folder.Zip("a.zip", ("a", [.. Enumerable.Range(0, 10_000).Select(i => (byte)(i * i >> 3))]));
        Zips.Patch(zip, DirectorySize, null, _ => claimed);
        StringAssert.StartsWith(Reason(new ZipEntryLocation(zip, "a")), "damaged");
    }

    [TestMethod]
    public void Read_EntryThatClaimsLittleAndInflatesToMuch_NeverHoldsMoreThanClaimed()
    {
        using var folder = new TempFolder();
        string zip = folder.Zip("bomb.zip", ("a", new byte[100 << 20]));
        Assert.IsLessThan(200_000L, new FileInfo(zip).Length, "a tiny file");
        Zips.Patch(zip, DirectorySize, null, _ => 1000);
        using var reader = new ItemReader();
        var item = new DataItem(new ZipEntryLocation(zip, "a"), "a");
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.ThrowsExactly<ImageRejectedException>(() => reader.Read(item));
        Assert.IsLessThan(
            2L << 20,
            GC.GetAllocatedBytesForCurrentThread() - before,
            "buffers for 1000 bytes, not for 100 MiB"
        );
    }

    [TestMethod]
    public void Read_EntryWithAnotherChecksum_IsRejected()
    {
        using var folder = new TempFolder();
        string zip = folder.Zip("a.zip", ("a", Bmp.Plain(1, 2, 3)));
        Zips.Patch(zip, DirectoryCrc, null, crc => crc ^ 1);
        StringAssert.Contains(Reason(new ZipEntryLocation(zip, "a")), "checksum");
    }

    [TestMethod]
    public void Read_EncryptedEntry_SaysSo()
    {
        using var folder = new TempFolder();
        string zip = folder.Zip("a.zip", ("a", Bmp.Plain(1, 2, 3)));
        Zips.Patch(zip, DirectoryFlags, LocalFlags, flags => flags | 1);
        StringAssert.Contains(Reason(new ZipEntryLocation(zip, "a")), "encrypted");
    }

    [TestMethod]
    public void Read_MissingFileArchiveOrEntry_IsRejectedInOneLine()
    {
        using var folder = new TempFolder();
        string zip = folder.Zip("a.zip", ("a", [1]));
        foreach (
            ItemLocation location in (ItemLocation[])
                [
                    new FileLocation(folder.File("no")),
                    new ZipEntryLocation(folder.File("no.zip"), "a"),
                    new ZipEntryLocation(zip, "b"),
                    new ZipEntryLocation(folder.Write("text.zip", "hello"u8.ToArray()), "a"),
                ]
        )
            Assert.DoesNotContain('\n', Reason(location), $"{location}");
    }

    [TestMethod]
    public void Read_ManyEntries_AllocatesNoBufferPerImage()
    {
        using var folder = new TempFolder();
        string zip = folder.Zip(
            "a.zip",
            [
                .. Enumerable
                    .Range(0, 50)
                    .Select(i =>
                        ($"{i}", Enumerable.Range(0, 100_000).Select(b => (byte)(b * (i + 1) >> 4)).ToArray())
                    ),
            ]
        );
        DataItem[] items =
        [
            .. Enumerable.Range(0, 50).Select(i => new DataItem(new ZipEntryLocation(zip, $"{i}"), "x")),
        ];
        using var reader = new ItemReader();
        reader.Read(items[0]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (DataItem item in items)
            reader.Read(item);
        Assert.IsLessThan(
            20_000L,
            (GC.GetAllocatedBytesForCurrentThread() - before) / 50,
            "the zip stream itself, not 100,000 bytes of image"
        );
    }

    [TestMethod]
    public void Crc32_OfTheStandardsCheckText_IsItsCheckValue()
    {
        // "123456789" and CBF43926 are the check of CRC-32/ISO-HDLC in every catalogue of checksums; 1 to 9 bytes also
        // cross the step of eight.
        Assert.AreEqual(0xCBF43926u, Crc32.Of("123456789"u8));
        Assert.AreEqual(0u, Crc32.Of([]));
    }

    private static string Reason(ItemLocation location, ImageLimits? limits = null)
    {
        using var reader = new ItemReader(limits);
        return Assert.ThrowsExactly<ImageRejectedException>(() => reader.Read(new DataItem(location, "x"))).Reason;
    }
}
