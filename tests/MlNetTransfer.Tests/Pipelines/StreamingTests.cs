using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Pipelines;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Pipelines;

/// <summary>Rows that cannot be used, readers that stop early, work that is cancelled: named, bounded, and nothing stays open.</summary>
[TestClass]
[DoNotParallelize]
public sealed class StreamingTests
{
    private const string Tap = "block_6_expand_relu";
    private static readonly string Good = Repository.At("data-samples/clipart/fruit/banana.png");

    private int sessions;

    [TestInitialize]
    public void Count() => sessions = OpenSessions.Count;

    [TestCleanup]
    public void NothingStaysOpen() => Assert.AreEqual(sessions, OpenSessions.Count, "Sessions were left open.");

    [TestMethod]
    public void Read_NullImageInTheMiddle_IsNamedByItsRow()
    {
        (TransferContext context, IDataView data) = Data([Good, Good, null, Good]);
        using var model = Chain(context).Fit(data);
        var e = Assert.ThrowsExactly<TransferException>(() => model.Transform(data).Read(["Features"]).ToList());
        StringAssert.Contains(e.Message, "LoadImages: 'ImagePath' (row 2) cannot be used: it is null or empty.");
    }

    [TestMethod]
    public void Read_UnusableImagesWithALedger_AreToldInOrderAndLeftOut()
    {
        var told = new List<RejectedImage>();
        (TransferContext context, IDataView data) = Data([Good, null, "missing.png", Good, Repository.At("README.md")], new TransferContextOptions { OnRejected = told.Add, BatchRows = 2, CacheFeatures = false });
        using var model = Chain(context).Fit(data);
        DataBatch[] batches = [.. model.Transform(data).Read()];
        CollectionAssert.AreEqual(new long[] { 0, 3 }, batches.SelectMany(b => b.RowNumbers.ToArray()).ToArray());
        CollectionAssert.AreEqual(new[] { "'ImagePath'", "'missing.png'", $"'{Repository.At("README.md")}'" }, told.Select(r => r.File).ToArray());
        Assert.AreEqual("the file does not exist", told[1].Reason);
    }

    [TestMethod]
    public void Read_ConsumerStopsEarly_ReadsNoFurtherAndClosesTheSource()
    {
        int read = 0;
        bool closed = false;
        var context = new TransferContext(options: new TransferContextOptions { BatchRows = 4, CacheFeatures = false });
        IDataView data = context.Data.LoadFromEnumerable(Endless());
        using (var model = Chain(context).Fit(data))
            foreach (DataBatch batch in model.Transform(data).Read(["Features"]))
            {
                Assert.AreEqual(4, batch.Rows);
                break;
            }

        Assert.AreEqual(4, read);
        Assert.IsTrue(closed);

        IEnumerable<PathRow> Endless()
        {
            try
            {
                for (; ; read++) yield return new PathRow { ImagePath = Good };
            }
            finally
            {
                read++;
                closed = true;
            }
        }
    }

    [TestMethod]
    public void Read_OnlyLabels_OpensNoImage()
    {
        (TransferContext context, IDataView data) = Data(["missing.png", "missing.png"]);
        using var model = Chain(context).Fit(data);
        Assert.AreEqual(2, model.Transform(data).Read(["Label"]).Sum(b => b.Rows));
    }

    [TestMethod]
    public void Fit_Cancelled_LeavesNothingOpen()
    {
        var context = new TransferContext(options: new TransferContextOptions { BatchRows = 4, CacheFeatures = false });
        using var cancel = new CancellationTokenSource();
        TrainTestData split = context.Data.TrainTestSplit(context.Data.LoadImages(Repository.At("data-samples/clipart")), cancellation: CancellationToken.None);
        var progress = new Told(p => { if (p.Done >= 8) cancel.Cancel(); });
        Assert.ThrowsExactly<OperationCanceledException>(() => context.MulticlassClassification.Trainers.ImageClassification("Label", "Image").Fit(split.TrainSet, progress, cancel.Token));
        Assert.IsTrue(progress.Stages.Contains("Extracting features"));
    }

    [TestMethod]
    public void Fit_FailsInALaterStep_ClosesTheEarlierOnes()
    {
        (TransferContext context, IDataView data) = Data([Good, Good]);
        var chain = Chain(context).Append(context.Transforms.Conversion.MapValueToKey("Label")).Append(context.MulticlassClassification.Trainers.ImageClassification());
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => chain.Fit(data)).Message, "class");
    }

    [TestMethod]
    public void Transform_Disposed_Throws()
    {
        (TransferContext context, IDataView data) = Data([Good]);
        var model = Chain(context).Fit(data);
        IDataView view = model.Transform(data);
        model.Dispose();
        model.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Transform(data));
        Assert.ThrowsExactly<ObjectDisposedException>(() => view.Read().ToList());
    }

    [TestMethod]
    public void LoadImages_PathThatLeavesTheFolder_IsRefused()
    {
        (TransferContext context, IDataView data) = Data(["../../README.md"]);
        using var model = context.Transforms.LoadImages("Image", "ImagePath", Repository.At("data-samples/clipart")).Fit(data);
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => model.Transform(data).Read().ToList()).Message, "leaves the image folder");
    }

    [TestMethod]
    public void Read_TwoAtOnce_GiveTheSame()
    {
        (TransferContext context, IDataView data) = Data([.. Enumerable.Repeat(Good, 6)], new TransferContextOptions { BatchRows = 2, CacheFeatures = false });
        using var model = Chain(context).Fit(data);
        IDataView view = model.Transform(data);
        float[][] found = new float[3][];
        Parallel.For(0, 3, i => found[i] = [.. view.Read(["Features"]).SelectMany(b => b.Column<float>("Features").ToArray())]);
        CollectionAssert.AreEqual(found[0], found[1]);
        CollectionAssert.AreEqual(found[0], found[2]);
    }

    private static (TransferContext Context, IDataView Data) Data(string?[] paths, TransferContextOptions? options = null)
    {
        var context = new TransferContext(options: options ?? new TransferContextOptions { CacheFeatures = false });
        return (context, context.Data.LoadFromEnumerable(paths.Select((p, i) => new PathRow { ImagePath = p, Label = "a" }).ToArray()));
    }

    private static EstimatorChain<RowTransformer> Chain(TransferContext context) => context.Transforms.LoadImages("Image", "ImagePath").Append(context.Transforms.ApplyBackbone("Features", "Image", taps: [Tap]));

    private sealed class Told(Action<JobProgress> told) : IProgress<JobProgress>
    {
        public HashSet<string> Stages { get; } = [];

        public void Report(JobProgress value)
        {
            Stages.Add(value.Stage);
            told(value);
        }
    }
}
