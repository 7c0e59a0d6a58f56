using MlNetTransfer.Datasets;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Datasets;

[TestClass]
public sealed class ZipDatasetTests
{
    private static readonly byte[] Image = Bmp.Plain(9, 9, 9);

    [TestMethod]
    [DataRow("")]
    [DataRow("dåta set/")]
    public void Read_FolderPerClass_WithOrWithoutACommonTop(string top)
    {
        using var folder = new TempFolder();
        string zip = folder.Zip(
            "a.zip",
            (top + "zèbre/b c.png", Image),
            (top + "アリ/x/深い.png", Image),
            (top + "ant/Z.PNG", Image),
            (top + "ant/.DS_Store", Image),
            ("__MACOSX/ant/Z.PNG", Image)
        );
        Dataset data = DatasetReader.Read(zip);
        CollectionAssert.AreEqual(new[] { "ant", "zèbre", "アリ" }, data.ClassNames.ToArray());
        CollectionAssert.AreEqual(
            new[] { "ant/Z.PNG", "zèbre/b c.png", "アリ/x/深い.png" },
            data.Items.Select(i => i.Name).ToArray()
        );
        Assert.IsEmpty(data.Rejected);
        Assert.IsNull(data.Splits);
        using var reader = new ItemReader();
        foreach (DataItem item in data.Items)
            CollectionAssert.AreEqual(Image, reader.Read(item).ToArray());
    }

    /// <summary>As an old program wrote it: a folder name in code page 437, without the mark of UTF-8.</summary>
    [TestMethod]
    public void Read_FolderWhoseNameIsNotUtf8_IsRefusedRatherThanLost()
    {
        using var folder = new TempFolder();
        string zip = folder.Zip("a.zip", ("ant/1.png", Image), ("bee/2.png", Image), ("frXXt/3.png", Image));
        byte[] bytes = File.ReadAllBytes(zip);
        for (int at; (at = bytes.AsSpan().IndexOf("frXXt"u8)) >= 0; )
            (bytes[at + 2], bytes[at + 3]) = (0x81, 0xFF);
        File.WriteAllBytes(zip, bytes);
        Assert.Contains(
            "a folder whose name is not UTF-8",
            Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(zip)).Message
        );
    }

    [TestMethod]
    public void Read_LicenceBesideTheClassesBelowTheCommonTop_IsInTheLedger()
    {
        using var folder = new TempFolder();
        Dataset data = DatasetReader.Read(
            folder.Zip(
                "a.zip",
                ("photos/LICENSE.txt", Image),
                ("photos/rose/1.png", Image),
                ("photos/tulip/1.png", Image)
            )
        );
        CollectionAssert.AreEqual(new[] { "rose", "tulip" }, data.ClassNames.ToArray());
        Assert.AreEqual("LICENSE.txt", data.Rejected.Single().File);
    }

    [TestMethod]
    public void Read_OneClassWithFoldersBelow_IsThatClass()
    {
        using var folder = new TempFolder();
        Dataset data = DatasetReader.Read(
            folder.Zip("a.zip", ("cat/1.png", Image), ("cat/more/2.png", Image)),
            new DatasetOptions { MinimumClasses = 1 }
        );
        CollectionAssert.AreEqual(new[] { "cat" }, data.ClassNames.ToArray());
        Assert.HasCount(2, data.Items);
    }

    [TestMethod]
    public void Read_SplitFoldersInTheArchive_AreASplit()
    {
        using var folder = new TempFolder();
        Dataset data = DatasetReader.Read(
            folder.Zip(
                "a.zip",
                ("d/train/a/1", Image),
                ("d/train/b/1", Image),
                ("d/test/a/2", Image),
                ("d/test/b/2", Image)
            )
        );
        CollectionAssert.AreEqual(
            new[] { SplitPart.Test, SplitPart.Test, SplitPart.Train, SplitPart.Train },
            data.Splits!.ToArray()
        );
    }

    [TestMethod]
    [DataRow("../a/x.png", "..")]
    [DataRow("a/../../x.png", "..")]
    [DataRow("/etc/x.png", "absolute")]
    [DataRow("C:/x.png", "drive")]
    [DataRow("C:x.png", "drive")]
    [DataRow("a\\..\\x.png", "backslash")]
    [DataRow("..\\x.png", "backslash")]
    [DataRow("a//x.png", "empty folder")]
    [DataRow("a/./x.png", "'.'")]
    [DataRow("a/x\n.png", "control")]
    public void Read_NameThatLeadsElsewhere_IsRejectedAndTheOthersStay(string name, string reason)
    {
        using var folder = new TempFolder();
        Dataset data = DatasetReader.Read(folder.Zip("a.zip", ("a/1", Image), (name, Image), ("b/1", Image)));
        Assert.HasCount(2, data.Items);
        StringAssert.Contains(data.Rejected.Single().Reason, reason);
        Assert.DoesNotContain('\n', data.Rejected.Single().File);
        Assert.HasCount(1, Directory.GetFileSystemEntries(folder.Path), "Nothing is extracted.");
    }

    [TestMethod]
    public void Read_ZipBomb_IsRejectedByItsRatioBeforeInflating()
    {
        using var folder = new TempFolder();
        Dataset data = DatasetReader.Read(
            folder.Zip("a.zip", ("a/1", Image), ("b/1", Image), ("b/bomb", new byte[50 << 20]))
        );
        Assert.AreEqual("b/bomb", data.Rejected.Single().File);
        StringAssert.Contains(data.Rejected.Single().Reason, "zip bomb");
    }

    [TestMethod]
    public void Read_InflatesToMoreThanAllowed_NamesBothSizes()
    {
        using var folder = new TempFolder();
        string zip = folder.Zip("a.zip", ("a/1", Image), ("b/1", Image));
        Fails(
            () => DatasetReader.Read(zip, new DatasetOptions { Zip = new ZipLimits { MaxInflatedBytes = 1000 } }),
            zip,
            $"{2 * Image.Length}",
            "1000"
        );
    }

    [TestMethod]
    public void Read_EntriesThatOverlap_AreAZipBomb()
    {
        using var folder = new TempFolder();
        string zip = folder.Zip("a.zip", ("a/1", Image), ("b/1", Image));
        Zips.Patch(zip, directoryOffset: 20, null, _ => 1_000_000);
        Fails(() => DatasetReader.Read(zip), zip, "overlap");
    }

    [TestMethod]
    public void Read_MoreEntriesThanAllowed_SaysHowMany()
    {
        using var folder = new TempFolder();
        string zip = folder.Zip(
            "a.zip",
            [.. Enumerable.Range(0, 11).Select(i => ($"{(i % 2 == 0 ? "a" : "b")}/{i}", Image))]
        );
        Assert.HasCount(
            11,
            DatasetReader.Read(zip, new DatasetOptions { Zip = new ZipLimits { MaxEntries = 11 } }).Items
        );
        Fails(
            () => DatasetReader.Read(zip, new DatasetOptions { Zip = new ZipLimits { MaxEntries = 10 } }),
            zip,
            "more than 10 entries"
        );
    }

    [TestMethod]
    public void Read_EncryptedAndDoubleEntries_AreInTheLedger()
    {
        using var folder = new TempFolder();
        string zip = folder.Zip("a.zip", ("a/secret", Image), ("a/1", Image), ("b/1", Image), ("b/1", Image));
        Zips.Patch(zip, directoryOffset: 8, localOffset: 6, flags => flags | 1);
        Dataset data = DatasetReader.Read(zip);
        Assert.HasCount(2, data.Items);
        StringAssert.Contains(data.Rejected.Single(r => r.File == "a/secret").Reason, "encrypted");
        StringAssert.Contains(data.Rejected.Single(r => r.File == "b/1").Reason, "twice");
    }

    [TestMethod]
    public void Read_NoZipTruncatedOrEmpty_NamesTheFile()
    {
        using var folder = new TempFolder();
        string whole = folder.Zip("whole.zip", ("a/1", Image), ("b/1", Image));
        byte[] bytes = File.ReadAllBytes(whole);
        Fails(
            () => DatasetReader.Read(folder.Write("text.zip", "hello"u8.ToArray())),
            "text.zip",
            "not a whole zip archive"
        );
        Fails(() => DatasetReader.Read(folder.Write("zero.zip", [])), "zero.zip", "an empty file");
        for (int length = 1; length < bytes.Length; length += 7)
            Fails(
                () => DatasetReader.Read(folder.Write("cut.zip", bytes[..length])),
                "cut.zip",
                "not a whole zip archive"
            );
        Fails(() => DatasetReader.Read(folder.Zip("empty.zip")), "empty.zip", "no class folders");
        Fails(() => DatasetReader.Read(folder.File("missing.zip")), "missing.zip", "does not exist");
    }

    [TestMethod]
    public void Read_EveryByteOfTheDirectoryChanged_FailsWithOurErrorsOnly()
    {
        using var folder = new TempFolder();
        byte[] bytes = File.ReadAllBytes(folder.Zip("whole.zip", ("a/1", Image), ("b/1", Image)));
        string path = folder.File("changed.zip");
        for (int i = bytes.AsSpan().IndexOf("PK\u0001\u0002"u8); i < bytes.Length; i++)
        {
            byte[] changed = [.. bytes];
            changed[i] ^= 0xFF;
            File.WriteAllBytes(path, changed);
            try
            {
                using var reader = new ItemReader();
                foreach (DataItem item in DatasetReader.Read(path, new DatasetOptions { MinimumClasses = 1 }).Items)
                    reader.Read(item);
            }
            catch (TransferException)
            {
                // Also ImageRejectedException; anything else would end a job without a word about the archive.
            }
        }
    }

    [TestMethod]
    public void ReadUnlabelled_Archive_ListsEveryFile()
    {
        using var folder = new TempFolder();
        Dataset data = DatasetReader.ReadUnlabelled(
            folder.Zip("a.zip", ("top/b.png", Image), ("a.png", Image), ("../x", Image))
        );
        CollectionAssert.AreEqual(new[] { "a.png", "top/b.png" }, data.Items.Select(i => i.Name).ToArray());
        Assert.HasCount(1, data.Rejected);
        Assert.IsTrue(data.Items.All(i => i.Label == DataItem.NoLabel));
    }

    private static void Fails(Action action, params string[] expected)
    {
        string message = Assert.ThrowsExactly<TransferException>(action).Message;
        foreach (string text in expected)
            StringAssert.Contains(message, text);
    }
}
