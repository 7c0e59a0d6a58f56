using MlNetTransfer.Datasets;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Datasets;

[TestClass]
public sealed class ImageFolderTests
{
    [TestMethod]
    public void ReadClasses_NestedUnicodeAndSpaces_OrdersByNameAndLabelsByFolder()
    {
        using var folder = new TempFolder();
        folder.Write("zèbre/b c.png", [1]);
        folder.Write("zèbre/a.png", [1]);
        folder.Write("アリ/x/深い.png", [1]);
        folder.Write("ant/Z.PNG", [1]);
        Dataset data = ImageFolder.ReadClasses(folder.Path);
        CollectionAssert.AreEqual(new[] { "ant", "zèbre", "アリ" }, data.ClassNames.ToArray());
        CollectionAssert.AreEqual(
            new[] { "ant/Z.PNG", "zèbre/a.png", "zèbre/b c.png", "アリ/x/深い.png" },
            data.Items.Select(i => i.Name).ToArray()
        );
        CollectionAssert.AreEqual(new[] { 0, 1, 1, 2 }, data.Items.Select(i => i.Label).ToArray());
        CollectionAssert.AreEqual(new[] { 1, 2, 1 }, data.CountPerClass());
    }

    /// <summary>Refused, unless it is asked to leave them out; a split may lack images of a class in one part.</summary>
    [TestMethod]
    public void Read_EmptyClasses_AreRefusedOrLeftOut()
    {
        using var folder = new TempFolder();
        var allow = new DatasetOptions { AllowEmptyClasses = true };
        foreach (string file in (string[])["a/1.png", "b/1.png", "c/1.png"])
            folder.Write("flat/" + file, [1]);
        Directory.CreateDirectory(folder.File("flat/aa"));
        string message = Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(folder.File("flat"))).Message;
        StringAssert.Contains(message, "aa' holds no files");
        StringAssert.Contains(message, "--allow-empty-classes");
        Dataset data = DatasetReader.Read(folder.File("flat"), allow);
        CollectionAssert.AreEqual(new[] { "a", "b", "c" }, data.ClassNames.ToArray());
        CollectionAssert.AreEqual(new[] { "aa" }, data.EmptyClasses.ToArray());
        CollectionAssert.AreEqual(new[] { 0, 1, 2 }, data.Items.Select(i => i.Label).ToArray());

        foreach (
            string file in (string[])["train/a/1.png", "train/b/1.png", "train/c/1.png", "test/c/1.png", "test/b/1.png"]
        )
            folder.Write("split/" + file, [1]);
        Directory.CreateDirectory(folder.File("split/test/a"));
        Dataset split = DatasetReader.Read(folder.File("split"), allow);
        CollectionAssert.AreEqual(
            new[] { "test/b/1.png b", "test/c/1.png c", "train/a/1.png a", "train/b/1.png b", "train/c/1.png c" },
            split.Items.Select(item => $"{item.Name} {split.ClassNames[item.Label]}").ToArray()
        );
        Directory.Delete(folder.File("flat/b"), recursive: true);
        Directory.Delete(folder.File("flat/c"), recursive: true);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(folder.File("flat"), allow)).Message,
            "has one class only ('a')"
        );
    }

    [TestMethod]
    public void ReadClasses_LooseFilesAndSystemLeftovers_AreInTheLedgerOrPassedOver()
    {
        using var folder = new TempFolder();
        folder.Write("a/1.png", [1]);
        folder.Write("b/1.png", [1]);
        folder.Write("b/.DS_Store", [1]);
        folder.Write("b/Thumbs.db", [1]);
        folder.Write("b/notes.txt", [1]);
        folder.Write("loose.png", [1]);
        Dataset data = ImageFolder.ReadClasses(folder.Path);
        CollectionAssert.AreEqual(
            new[] { "a/1.png", "b/1.png", "b/notes.txt" },
            data.Items.Select(i => i.Name).ToArray()
        );
        Assert.AreEqual("loose.png", data.Rejected.Single().File);
    }

    [TestMethod]
    public void ReadClasses_LinkToAFolderBelowAClass_IsNotFollowedAndInTheLedger()
    {
        using var folder = new TempFolder();
        folder.Write("a/1.png", [1]);
        folder.Write("b/1.png", [1]);
        Directory.CreateSymbolicLink(folder.File("a/loop"), folder.Path);
        Dataset data = ImageFolder.ReadClasses(folder.Path);
        Assert.HasCount(2, data.Items);
        Assert.AreEqual("a/loop", data.Rejected.Single().File);
    }

    [TestMethod]
    public void ReadClasses_EmptyFolder_SaysWhatLayoutIsExpected()
    {
        using var folder = new TempFolder();
        var e = Assert.ThrowsExactly<TransferException>(() => ImageFolder.ReadClasses(folder.Path));
        StringAssert.Contains(e.Message, folder.Path);
        StringAssert.Contains(e.Message, "one folder per class");
    }

    [TestMethod]
    public void ReadClasses_OneClass_NamesIt()
    {
        using var folder = new TempFolder();
        folder.Write("only/1.png", [1]);
        var e = Assert.ThrowsExactly<TransferException>(() => ImageFolder.ReadClasses(folder.Path));
        StringAssert.Contains(e.Message, "'only'");
        Assert.HasCount(1, ImageFolder.ReadClasses(folder.Path, minimumClasses: 1).Items);
    }

    [TestMethod]
    public void ReadClasses_ClassWithoutFiles_NamesIt()
    {
        using var folder = new TempFolder();
        folder.Write("a/1.png", [1]);
        Directory.CreateDirectory(folder.File("hollow"));
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => ImageFolder.ReadClasses(folder.Path)).Message,
            "hollow"
        );
    }

    [TestMethod]
    public void ReadClasses_ClassesThatDifferInCaseOnly_NamesBoth()
    {
        using var folder = new TempFolder();
        folder.Write("Cat/1.png", [1]);
        folder.Write("cat/1.png", [1]);
        folder.Write("dog/1.png", [1]);
        if (Directory.GetDirectories(folder.Path).Length < 3)
            Assert.Inconclusive("This file system folds case, so the two folders are one.");
        var e = Assert.ThrowsExactly<TransferException>(() => ImageFolder.ReadClasses(folder.Path));
        StringAssert.Contains(e.Message, "'Cat', 'cat'");
    }

    [TestMethod]
    public void ReadClasses_MissingFolderOrFile_SaysWhich()
    {
        using var folder = new TempFolder();
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => ImageFolder.ReadClasses(folder.File("nowhere"))).Message,
            "does not exist"
        );
        string file = folder.Write("file.txt", [1]);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => ImageFolder.ReadClasses(file)).Message,
            "is a file"
        );
    }

    [TestMethod]
    public void ReadUnlabelled_Tree_ListsEveryFileWithoutLabels()
    {
        using var folder = new TempFolder();
        folder.Write("b.png", [1]);
        folder.Write("a/c.png", [1]);
        (IReadOnlyList<DataItem> items, _) = ImageFolder.ReadUnlabelled(folder.Path);
        CollectionAssert.AreEqual(new[] { "a/c.png", "b.png" }, items.Select(i => i.Name).ToArray());
        Assert.IsTrue(items.All(i => i.Label == DataItem.NoLabel));
    }
}
