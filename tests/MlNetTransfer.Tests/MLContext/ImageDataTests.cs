using System.Globalization;
using System.IO.Compression;
using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests;

/// <summary>Loading and dividing labelled images.</summary>
[TestClass]
public sealed class ImageDataTests
{
    private static readonly MLContext Context = Images.Context;

    [TestMethod]
    public void LoadImageFolder_Samples_AreRowsOfPathAndLabel()
    {
        IDataView images = Context.Data.LoadImageFolder(Images.Folder);
        CollectionAssert.AreEqual(new[] { "ImagePath", "Label" }, images.Schema.Select(c => c.Name).ToArray());
        Assert.HasCount(157, images.GetColumn<string>("Label").ToArray());
        Assert.IsTrue(images.GetColumn<string>("ImagePath").All(File.Exists));
    }

    [TestMethod]
    public void LoadImageList_WithGroupAndSplit_HasTheirColumns()
    {
        using var folder = new TempFolder();
        ImagePathRow[] rows = Images.Few(2, "bird", "fruit");
        folder.Write(
            "list.csv",
            System.Text.Encoding.UTF8.GetBytes(
                "path,label,group,split\n"
                    + string.Join(
                        '\n',
                        rows.Select((r, i) => $"{r.ImagePath},{r.Label},g{i % 2},{(i % 2 == 0 ? "train" : "test")}")
                    )
            )
        );
        IDataView images = Context.Data.LoadImageList(folder.File("list.csv"));
        CollectionAssert.AreEquivalent(
            new[] { "ImagePath", "Label", "Group", "Split" },
            images.Schema.Select(c => c.Name).ToArray()
        );
        CollectionAssert.AreEquivalent(new[] { "g0", "g1", "g0", "g1" }, images.GetColumn<string>("Group").ToArray());
    }

    [TestMethod]
    public void LoadImageZip_ClassFolders_TrainsFromTheArchive()
    {
        using var folder = new TempFolder();
        using (ZipArchive zip = ZipFile.Open(folder.File("images.zip"), ZipArchiveMode.Create))
            foreach (ImagePathRow row in Images.Few(4, "bird", "fruit"))
                zip.CreateEntryFromFile(row.ImagePath, $"{row.Label}/{Path.GetFileName(row.ImagePath)}");
        IDataView images = Context.Data.LoadImageZip(folder.File("images.zip"));
        using TransformerChain<ImageClassificationTransformer> model = Images
            .Pipeline(Images.Quick with { FeatureColumnName = "Image" })
            .Fit(images);
        Assert.AreEqual(
            1,
            Context.MulticlassClassification.Evaluate(model.Transform(images)).MicroAccuracy,
            "on the rows it was trained on"
        );
    }

    /// <summary>
    /// The rows in another order, the classes named in another order, another culture: the same images are held out.
    /// </summary>
    [TestMethod]
    public void StratifiedSplit_RowsInAnotherOrder_HoldsOutTheSameImages()
    {
        ImagePathRow[] rows = Images.Few(12, "bird", "fruit", "house", "insect");
        string[] expected = TestOf(Images.Rows(rows));
        Assert.HasCount(8, expected);
        CultureInfo before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo("");
            for (int seed = 1; seed <= 5; seed++)
            {
                ImagePathRow[] shuffled = [.. rows];
                new Random(seed).Shuffle(shuffled);
                CollectionAssert.AreEqual(expected, TestOf(Images.Rows(shuffled)), $"order {seed}");
            }
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }

        IDataView keys = Context
            .Transforms.Conversion.MapValueToKey("Label")
            .Fit(Images.Rows(rows))
            .Transform(Images.Rows([.. rows.Reverse()]));
        CollectionAssert.AreEqual(expected, TestOf(keys), "labels as keys");

        static string[] TestOf(IDataView images) =>
            [
                .. Context
                    .Data.StratifiedSplit(images, seed: 4)
                    .TestSet.GetColumn<string>("ImagePath")
                    .Order(StringComparer.Ordinal),
            ];
    }

    [TestMethod]
    public void StratifiedSplit_EqualImagesAndGroups_StandOnOneSide()
    {
        using var folder = new TempFolder();
        ImagePathRow[] rows = Images.Few(10, "bird", "fruit");
        ImagePathRow[] copies =
        [
            .. rows.Select(
                (r, i) =>
                    new ImagePathRow
                    {
                        ImagePath = folder.Write($"{i}.png", File.ReadAllBytes(r.ImagePath)),
                        Label = r.Label,
                    }
            ),
        ];
        DataOperationsCatalog.TrainTestData split = Context.Data.StratifiedSplit(Images.Rows([.. rows, .. copies]));
        HashSet<string> train =
        [
            .. split.TrainSet.GetColumn<string>("ImagePath").Select(p => Convert.ToHexString(File.ReadAllBytes(p))),
        ];
        string[] test = [.. split.TestSet.GetColumn<string>("ImagePath")];
        Assert.HasCount(8, test);
        Assert.IsFalse(test.Any(p => train.Contains(Convert.ToHexString(File.ReadAllBytes(p)))));
        Assert.HasCount(
            40,
            split.TrainSet.GetColumn<string>("Label").Concat(split.TestSet.GetColumn<string>("Label")).ToArray()
        );
    }

    [TestMethod]
    public void StratifiedFolds_FiveFolds_JudgeEachRowOnce()
    {
        IDataView images = Images.Rows(Images.Few(10, "bird", "fruit", "house"));
        IReadOnlyList<DataOperationsCatalog.TrainTestData> folds = Context.Data.StratifiedFolds(images);
        Assert.HasCount(5, folds);
        string[] tested = [.. folds.SelectMany(f => f.TestSet.GetColumn<string>("ImagePath"))];
        CollectionAssert.AreEquivalent(images.GetColumn<string>("ImagePath").ToArray(), tested);
        foreach (DataOperationsCatalog.TrainTestData fold in folds)
            Assert.HasCount(6, fold.TestSet.GetColumn<string>("Label").ToArray());
    }

    [TestMethod]
    public void StratifiedSplit_WrongColumns_SayWhich()
    {
        IDataView images = Images.Rows(Images.Few(2, "bird", "fruit"));
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => Context.Data.StratifiedSplit(images, "Class")).Message,
            "no column 'Class'"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    Context.Data.StratifiedSplit(images, groupColumnName: "Patient")
                )
                .Message,
            "no column 'Patient'"
        );
        IDataView missing = Images.Rows(new ImagePathRow { ImagePath = "/nowhere/x.png", Label = "a" });
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => Context.Data.StratifiedSplit(missing)).Message,
            "/nowhere/x.png"
        );
    }
}
