using MlNetTransfer.Pipelines;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Pipelines;

[TestClass]
public sealed class DataOperationsTests
{
    private static readonly TransferContext Context = new(seed: 5);

    [TestMethod]
    public void TrainTestSplit_EqualImages_StayTogether()
    {
        BytesRow[] rows = [.. Enumerable.Range(0, 40).Select(i => new BytesRow { Content = Bmp.Plain((byte)(i / 4), 0, 0), Label = i % 8 < 4 ? "a" : "b" })];
        IDataView data = Context.Data.LoadFromEnumerable(rows);
        TrainTestData split = Context.Data.TrainTestSplit(data, 0.3);
        HashSet<byte> train = [.. Colours(split.TrainSet)], test = [.. Colours(split.TestSet)];
        Assert.IsFalse(train.Overlaps(test));
        Assert.AreEqual(40, split.TrainSet.RowCount + split.TestSet.RowCount);

        static IEnumerable<byte> Colours(IDataView view) => view.Read(["Content"]).SelectMany(b => b.Column<byte[]>("Content").ToArray()).Select(file => file[56]);
    }

    [TestMethod]
    public void TrainTestSplit_SplitOfTheData_IsKept()
    {
        using var folder = new TempFolder();
        foreach ((string part, int n) in new[] { ("train", 3), ("test", 2) })
            foreach (string label in new[] { "a", "b" })
                for (int i = 0; i < n; i++) folder.Write($"{part}/{label}/{i}.bmp", Bmp.Plain((byte)i, (byte)n, 0));
        TrainTestData split = Context.Data.TrainTestSplit(Context.Data.LoadImages(folder.Path));
        Assert.AreEqual(6, split.TrainSet.RowCount);
        Assert.IsTrue(split.TestSet.Read(["Split"]).Single().Column<string>("Split").ToArray().All(s => s == "Test"));
    }

    [TestMethod]
    public void LoadImages_ImageOutsideTheClasses_IsAnErrorUnlessSomeoneIsTold()
    {
        using var folder = new TempFolder();
        foreach (string label in new[] { "a", "b" }) folder.Write($"{label}/1.bmp", Bmp.Plain(1, 2, 3));
        folder.Write("stray.bmp", Bmp.Plain(1, 2, 3));
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => Context.Data.LoadImages(folder.Path)).Message, "'stray.bmp'");
        var told = new List<string>();
        Assert.AreEqual(2, new TransferContext(options: new TransferContextOptions { OnRejected = r => told.Add(r.File) }).Data.LoadImages(folder.Path).RowCount);
        CollectionAssert.AreEqual(new[] { "stray.bmp" }, told);
    }

    [TestMethod]
    public void Preview_ShowsSchemaAndRows()
    {
        IDataView data = Context.Data.LoadFromEnumerable([new VectorRow { Features = [1, 2.5f, -3], Label = "cat" }, new VectorRow { Features = [0, 0, 0], Label = null }, new VectorRow { Features = [9, 9, 9], Label = "dog" }]);
        DataPreview preview = data.Preview(2);
        Assert.HasCount(2, preview.Rows);
        Assert.AreEqual($"Features (Vector [3])  Label (Text){Environment.NewLine}[1, 2.5, -3]           cat{Environment.NewLine}[0, 0, 0]              null{Environment.NewLine}", preview.ToString());
    }

    [TestMethod]
    public void Cache_ReadTwice_ReadsTheSourceOnce()
    {
        int reads = 0;
        IDataView cached = Context.Data.Cache(Context.Data.LoadFromEnumerable(Counted()));
        string[] once = [.. Context.Data.CreateEnumerable<LabelRow>(cached).Select(r => r.Label!)], twice = [.. Context.Data.CreateEnumerable<LabelRow>(cached).Select(r => r.Label!)];
        CollectionAssert.AreEqual(once, twice);
        Assert.AreEqual(1, reads);
        CollectionAssert.AreEqual(new[] { "1" }, Context.Data.CreateEnumerable<LabelRow>(cached.WhereRows(n => n == 1)).Select(r => r.Label).ToArray());

        IEnumerable<PathRow> Counted()
        {
            reads++;
            for (int i = 0; i < 3; i++) yield return new PathRow { Label = $"{i}" };
        }
    }

    [TestMethod]
    public void LoadFromEnumerable_VectorOfAnotherLength_NamesTheProperty() =>
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => Context.Data.LoadFromEnumerable([new VectorRow { Features = [1] }]).Read().ToList()).Message, "Property 'Features' of VectorRow holds 1 numbers; 3 were expected");

    private sealed class LabelRow
    {
        public string? Label { get; set; }
    }
}
