using System.Security.Cryptography;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones;

/// <summary>The runner on a graph whose answer is known: the mean of each colour channel.</summary>
[TestClass]
public sealed class ItemRunnerTests
{
    private static readonly Preprocessing Small = new() { Size = 16 };

    private static readonly byte[] MeanColour = new GraphBuilder()
        .Input("image", ["N", 3, 16, 16])
        .Node("GlobalAveragePool", ["image"], ["pooled"])
        .Node("Flatten", ["pooled"], ["row"], Attributes.Of("axis", 1))
        .Output("row", ["N", 3])
        .Build()
        .ToBytes();

    [TestMethod]
    [DataRow(1, 1, 1, 1)]
    [DataRow(2, 1, 1, 1)]
    [DataRow(7, 1, 1, 1)]
    [DataRow(1, 1, 1, 4)]
    [DataRow(2, 1, 1, 3)]
    [DataRow(7, 1, 1, 64)]
    [DataRow(1, 8, 1, 1)]
    [DataRow(3, 8, 2, 1)]
    [DataRow(7, 7, 3, 1)]
    [DataRow(2, 64, 4, 1)]
    public void Run_PlainColours_GivesTheirMeansInOrderForAnyPlan(
        int workers,
        int batchSize,
        int batchesInFlight,
        int itemsPerRun
    )
    {
        using var folder = new TempFolder();
        using var graph = new ItemGraph(
            MeanColour,
            "row",
            Small,
            plan: new ExecutionPlan
            {
                Workers = workers,
                BatchSize = batchSize,
                BatchesInFlight = batchesInFlight,
            },
            itemsPerRun: itemsPerRun
        );
        DataItem[] items =
        [
            .. Enumerable
                .Range(0, 40)
                .Select(i => new DataItem(
                    folder.Write($"{i}.bmp", Bmp.Plain((byte)(6 * i), 100, (byte)(255 - 6 * i))),
                    $"{i}.bmp"
                )),
        ];
        ItemRows rows = new ItemRunner(graph).Run(items, "means");
        CollectionAssert.AreEqual(Enumerable.Range(0, 40).ToArray(), rows.Accepted);
        for (int i = 0; i < 40; i++)
        {
            float[] expected = [6 * i / 255f, 100 / 255f, (255 - 6 * i) / 255f];
            for (int c = 0; c < 3; c++)
                Assert.AreEqual(expected[c], rows.Row(i)[c], 1e-5f, "a mean of 256 equal floats");
            CollectionAssert.AreEqual(
                SHA256.HashData(File.ReadAllBytes(((FileLocation)items[i].Location).Path)),
                rows.Digests[(i * 32)..((i + 1) * 32)]
            );
        }
    }

    [TestMethod]
    [DataRow(1, 1)]
    [DataRow(2, 1)]
    [DataRow(3, 1)]
    [DataRow(1, 2)]
    [DataRow(1, 4)]
    public void Run_SomeFilesBad_KeepsTheOthersInOrderAndExplainsEach(int batchSize, int itemsPerRun)
    {
        using var folder = new TempFolder();
        using var graph = new ItemGraph(
            MeanColour,
            "row",
            Small,
            plan: new ExecutionPlan
            {
                Workers = 2,
                BatchSize = batchSize,
                BatchesInFlight = 2,
            },
            itemsPerRun: itemsPerRun
        );
        DataItem[] items =
        [
            new(folder.Write("text.jpg", "hello"u8.ToArray()), "text.jpg"),
            new(folder.Write("red.bmp", Bmp.Plain(255, 0, 0)), "red.bmp"),
            new(folder.Write("zero.png", []), "zero.png"),
            new(folder.File("missing.png"), "missing.png"),
            new(folder.Write("blue.bmp", Bmp.Plain(0, 0, 255)), "blue.bmp"),
        ];
        ItemRows rows = new ItemRunner(graph).Run(items, "means");
        CollectionAssert.AreEqual(new[] { 1, 4 }, rows.Accepted);
        CollectionAssert.AreEqual(new float[] { 1, 0, 0, 0, 0, 1 }, rows.Values);
        CollectionAssert.AreEqual(
            new[] { "text.jpg", "zero.png", "missing.png" },
            rows.Rejected.Select(r => r.File).ToArray()
        );
        Assert.IsTrue(rows.Rejected.All(r => r.Reason.Length > 0 && !r.Reason.Contains('\n')));
        Assert.HasCount(2 * 32, rows.Digests);
    }

    [TestMethod]
    public void Run_NoItems_GivesNoRows()
    {
        using var graph = new ItemGraph(MeanColour, "row", Small);
        ItemRows rows = new ItemRunner(graph).Run([], "means");
        Assert.IsEmpty(rows.Accepted);
        Assert.IsEmpty(rows.Values);
    }

    [TestMethod]
    public void Run_KnownToTheCache_DoesNotDecode()
    {
        using var folder = new TempFolder();
        using var graph = new ItemGraph(MeanColour, "row", Small);
        string path = folder.Write("not an image.jpg", "hello"u8.ToArray());
        var cache = new OneRow(SHA256.HashData("hello"u8), [7, 8, 9]);
        ItemRows rows = new ItemRunner(graph, cache).Run([new DataItem(path, "x")], "means");
        CollectionAssert.AreEqual(new float[] { 7, 8, 9 }, rows.Values);
        Assert.AreEqual(1, rows.FromCache);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(4)]
    public void Run_Cancelled_Throws(int batchSize)
    {
        using var folder = new TempFolder();
        using var graph = new ItemGraph(
            MeanColour,
            "row",
            Small,
            plan: new ExecutionPlan
            {
                Workers = 2,
                BatchSize = batchSize,
                BatchesInFlight = 2,
            }
        );
        string path = folder.Write("red.bmp", Bmp.Plain(255, 0, 0));
        using var cancellation = new CancellationTokenSource();
        var progress = new Callback(p =>
        {
            if (p.Done == 3)
                cancellation.Cancel();
        });
        DataItem[] items = [.. Enumerable.Repeat(new DataItem(path, "x"), 1000)];
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            new ItemRunner(graph).Run(items, "means", progress, cancellation.Token)
        );
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(4)]
    public void Run_ProgressThrows_ThatErrorComesOut(int batchSize)
    {
        using var folder = new TempFolder();
        using var graph = new ItemGraph(
            MeanColour,
            "row",
            Small,
            plan: new ExecutionPlan
            {
                Workers = 2,
                BatchSize = batchSize,
                BatchesInFlight = 2,
            }
        );
        string path = folder.Write("red.bmp", Bmp.Plain(255, 0, 0));
        var progress = new Callback(p =>
        {
            if (p.Done == 3)
                throw new InvalidOperationException("from the caller");
        });
        DataItem[] items = [.. Enumerable.Repeat(new DataItem(path, "x"), 100)];
        Assert.AreEqual(
            "from the caller",
            Assert
                .ThrowsExactly<InvalidOperationException>(() => new ItemRunner(graph).Run(items, "means", progress))
                .Message
        );
    }

    [TestMethod]
    [DataRow(ExecutionProvider.Cuda)]
    [DataRow(ExecutionProvider.TensorRt)]
    public void Construct_DeviceThatIsNotThere_SaysWhatToDo(ExecutionProvider provider)
    {
        try
        {
            using var graph = new ItemGraph(MeanColour, "row", Small, plan: ExecutionPlan.For(provider));
            Assert.Inconclusive($"This machine has {provider}.");
        }
        catch (TransferException e)
        {
            StringAssert.Contains(e.Message, provider.ToString());
            StringAssert.Contains(e.Message, "doctor");
        }
    }

    [TestMethod]
    public void Run_MoreNumbersThanAnArrayHolds_SaysHowManyImagesFit()
    {
        using var graph = new ItemGraph(MeanColour, "row", Small);
        var e = Assert.ThrowsExactly<TransferException>(() =>
            new ItemRunner(graph).Run(new Endless(new DataItem("x", "x")), "means")
        );
        StringAssert.Contains(e.Message, "715,827,");
    }

    [TestMethod]
    public void Construct_OtherInputSize_NamesBothShapes()
    {
        var e = Assert.ThrowsExactly<TransferException>(() =>
            new ItemGraph(MeanColour, "row", new Preprocessing { Size = 32 })
        );
        StringAssert.Contains(e.Message, "16");
        StringAssert.Contains(e.Message, "[N, 3, 32, 32]");
    }

    [TestMethod]
    public void Construct_UnknownOutput_ListsTheOutputs() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => new ItemGraph(MeanColour, "rows", Small)).Message,
            "it has row"
        );

    private sealed class OneRow(byte[] image, float[] row) : IRowCache
    {
        public bool TryRead(ReadOnlySpan<byte> asked, Span<float> found)
        {
            row.CopyTo(found);
            return asked.SequenceEqual(image);
        }

        public void Add(ReadOnlySpan<byte> asked, ReadOnlySpan<float> given) =>
            Assert.Fail("Nothing new was computed.");
    }

    /// <summary>A list of as many images as an index can name.</summary>
    private sealed class Endless(DataItem item) : IReadOnlyList<DataItem>
    {
        public int Count => int.MaxValue;

        public DataItem this[int index] => item;

        public IEnumerator<DataItem> GetEnumerator() => Enumerable.Repeat(item, Count).GetEnumerator();

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }

    private sealed class Callback(Action<JobProgress> report) : IProgress<JobProgress>
    {
        public void Report(JobProgress value) => report(value);
    }
}
