using MlNetTransfer.Datasets;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Datasets;

[TestClass]
public sealed class SplitFoldersTests
{
    [TestMethod]
    [DataRow("train", "val", "test")]
    [DataRow("train", "valid", "holdout")]
    [DataRow("Training", "Validation", "Testing")]
    [DataRow("seg_train", "seg_val", "seg_test")]
    [DataRow("training_set", "validation-set", "test_set")]
    [DataRow("TRAINING-SET", "dev", "hold-out")]
    [DataRow("train_set", "eval", "test-set")]
    public void Read_TrainValTest_GivesEachImageItsPart(string train, string validation, string test)
    {
        string[] images = ["cat/1", "dog/1", "dog/2"];
        using var folder = Make([
            .. new[] { train, validation, test }.SelectMany(part => images.Select(i => $"{part}/{i}")),
            "readme.txt",
            $"{train}/note",
        ]);
        Dataset data = DatasetReader.Read(folder.Path);
        CollectionAssert.AreEqual(new[] { "cat", "dog" }, data.ClassNames.ToArray());
        Assert.HasCount(9, data.Items);
        for (int i = 0; i < 9; i++)
        {
            string top = data.Items[i].Name.Split('/')[0];
            Assert.AreEqual(
                top == train ? SplitPart.Train
                    : top == test ? SplitPart.Test
                    : SplitPart.Validation,
                data.Splits![i]
            );
            Assert.AreEqual(data.Items[i].Name.Contains("/cat/") ? 0 : 1, data.Items[i].Label);
        }

        CollectionAssert.AreEquivalent(
            new[] { "readme.txt", $"{train}/note" },
            data.Rejected.Select(r => r.File).ToArray()
        );
    }

    [TestMethod]
    [DataRow("train_images", "test_images")]
    [DataRow("train2017", "val2017")]
    [DataRow("fold1", "fold2")]
    public void Read_FoldersThatHoldTheSameFolders_AreNoClasses(string one, string other)
    {
        using var folder = Make([.. new[] { one, other }.SelectMany(p => new[] { $"{p}/bird/1", $"{p}/house/2" })]);
        string message = Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(folder.Path)).Message;
        Assert.Contains($"({string.Join(", ", new[] { one, other }.Order(StringComparer.Ordinal))})", message);
        Assert.Contains("(bird, house)", message);
        Assert.Contains("Call them train, val or test", message);
    }

    [TestMethod]
    public void Read_ClassesThatHoldTheSameFolders_AreClasses()
    {
        using var folder = Make(["cat/big/1", "cat/small/2", "dog/big/3", "dog/small/4"]);
        CollectionAssert.AreEqual((string[])["cat", "dog"], DatasetReader.Read(folder.Path).ClassNames.ToArray());
    }

    [TestMethod]
    public void Read_TrainAndTestWithoutClassFolders_AreRefused()
    {
        using var folder = Make(["train/1", "train/2", "test/3"]);
        Assert.Contains(
            "its images lie in no class folders",
            Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(folder.Path)).Message
        );
    }

    [TestMethod]
    [DataRow("'fresh'", "Rename 'fresh'", "train/a/1 train/b/1 fresh/a/1 fresh/b/1")]
    [DataRow("'fresh'", "If 'train' is a class", "train/a/1 train/b/1 fresh/1")]
    [DataRow("'extra'", "move it elsewhere", "train/a/1 train/b/1 test/a/1 test/b/1 extra/a/1")]
    [DataRow("'test'", "no class folder", "train/a/1 train/b/1 test/1 test/2")]
    [DataRow("'fresh'", "Rename 'fresh'", "train/a/1 train/b/1 train/readme fresh/a/1")]
    [DataRow("no val or test folder", "train' itself", "train/a/1 train/b/1")]
    [DataRow("no train folder", "test' itself", "test/a/1 test/b/1")]
    [DataRow("no train folder", "itself", "test/a/1 test/b/1 dev/a/1 dev/b/1")]
    public void Read_FoldersThatLookLikeASplit_AreRefusedWithTheWayOut(string found, string fix, string files)
    {
        Fails(found, files.Split(' '));
        Fails(fix, files.Split(' '));
    }

    [TestMethod]
    public void Read_ClassesNamedTrainAndTest_AreClasses()
    {
        using var folder = Make("train/1", "train/2", "train/steam/3", "train/electric/4", "test/1", "bus/1");
        Dataset data = DatasetReader.Read(folder.Path);
        CollectionAssert.AreEqual(new[] { "bus", "test", "train" }, data.ClassNames.ToArray());
        Assert.IsNull(data.Splits);
    }

    [TestMethod]
    public void Read_TrainFolderOfOneFolderBesideImages_IsAClass()
    {
        using var folder = Make("train/steam/1", "bus/1");
        CollectionAssert.AreEqual(new[] { "bus", "train" }, DatasetReader.Read(folder.Path).ClassNames.ToArray());
    }

    [TestMethod]
    public void Read_ClassMissingInOnePart_NamesClassAndFolder()
    {
        Fails("'dog'", "train/cat/1", "train/dog/1", "test/cat/1");
        Fails("'bird'", "train/cat/1", "train/dog/1", "test/cat/1", "test/dog/1", "test/bird/1");
    }

    [TestMethod]
    public void Read_TwoValidationFolders_NamesBoth() =>
        Fails("'val', 'valid'", "train/a/1", "train/b/1", "val/a/1", "val/b/1", "valid/a/1", "valid/b/1");

    [TestMethod]
    public void ReadClasses_SplitFolders_StayClassesThere()
    {
        using var folder = Make("train/a/1", "test/a/1");
        CollectionAssert.AreEqual(new[] { "test", "train" }, ImageFolder.ReadClasses(folder.Path).ClassNames.ToArray());
    }

    [TestMethod]
    public void Read_UnknownKindOfFileOrMissing_ListsTheFormats()
    {
        using var folder = Make("list.txt");
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(folder.File("list.txt"))).Message,
            ".jsonl"
        );
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(folder.File("nowhere"))).Message,
            "does not exist"
        );
    }

    private static void Fails(string expected, params string[] files)
    {
        using var folder = Make(files);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(folder.Path)).Message,
            expected
        );
    }

    private static TempFolder Make(params string[] files)
    {
        var folder = new TempFolder();
        foreach (string file in files)
            folder.Write(file, [1]);
        return folder;
    }
}
