using MlNetTransfer.Datasets;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Datasets;

[TestClass]
public sealed class SplitFoldersTests
{
    [TestMethod]
    [DataRow("val")]
    [DataRow("valid")]
    [DataRow("Validation")]
    public void Read_TrainValTest_GivesEachImageItsPart(string validation)
    {
        using var folder = Make("train/cat/1", "train/dog/1", "train/dog/2", $"{validation}/cat/1", $"{validation}/dog/1", "test/cat/1", "test/dog/1", "readme.txt");
        ImageDataset data = DatasetReader.Read(folder.Path);
        CollectionAssert.AreEqual(new[] { "cat", "dog" }, data.ClassNames.ToArray());
        Assert.HasCount(7, data.Items);
        for (int i = 0; i < 7; i++)
        {
            string top = data.Items[i].Name.Split('/')[0];
            Assert.AreEqual(top == "train" ? SplitPart.Train : top == "test" ? SplitPart.Test : SplitPart.Validation, data.Splits![i]);
            Assert.AreEqual(data.Items[i].Name.Contains("/cat/") ? 0 : 1, data.Items[i].Label);
        }

        Assert.AreEqual("readme.txt", data.Rejected.Single().File);
    }

    [TestMethod]
    public void Read_ClassesNamedTrainAndTest_AreClasses()
    {
        using var folder = Make("train/1", "train/2", "test/1", "bus/1");
        ImageDataset data = DatasetReader.Read(folder.Path);
        CollectionAssert.AreEqual(new[] { "bus", "test", "train" }, data.ClassNames.ToArray());
        Assert.IsNull(data.Splits);
    }

    [TestMethod]
    public void Read_OnlyATrainFolderOfFolders_IsNoSplit()
    {
        using var folder = Make("train/steam/1", "bus/1");
        CollectionAssert.AreEqual(new[] { "bus", "train" }, DatasetReader.Read(folder.Path).ClassNames.ToArray());
    }

    [TestMethod]
    public void Read_AnotherFolderBesideTheSplitFolders_IsAnError() => Fails("'extra'", "train/a/1", "train/b/1", "test/a/1", "test/b/1", "extra/a/1");

    [TestMethod]
    public void Read_ClassMissingInOnePart_NamesClassAndFolder()
    {
        Fails("'dog'", "train/cat/1", "train/dog/1", "test/cat/1");
        Fails("'bird'", "train/cat/1", "train/dog/1", "test/cat/1", "test/dog/1", "test/bird/1");
    }

    [TestMethod]
    public void Read_TwoValidationFolders_NamesBoth() => Fails("'val', 'valid'", "train/a/1", "train/b/1", "val/a/1", "val/b/1", "valid/a/1", "valid/b/1");

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
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(folder.File("list.txt"))).Message, ".jsonl");
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(folder.File("nowhere"))).Message, "does not exist");
    }

    private static void Fails(string expected, params string[] files)
    {
        using var folder = Make(files);
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(folder.Path)).Message, expected);
    }

    private static TempFolder Make(params string[] files)
    {
        var folder = new TempFolder();
        foreach (string file in files) folder.Write(file, [1]);
        return folder;
    }
}
