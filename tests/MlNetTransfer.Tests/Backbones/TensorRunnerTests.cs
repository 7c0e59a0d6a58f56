using System.Runtime.InteropServices;
using System.Security.Cryptography;
using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Tests.Backbones;

/// <summary>Ready tensors on a graph whose answer is known: the mean of each channel.</summary>
[TestClass]
public sealed class TensorRunnerTests
{
    private const int Size = 8, Length = 3 * Size * Size;

    private static readonly byte[] MeanColour = new GraphBuilder()
        .Input("image", ["N", 3, Size, Size])
        .Node("GlobalAveragePool", ["image"], ["pooled"])
        .Node("Flatten", ["pooled"], ["row"], Attributes.Of("axis", 1))
        .Output("row", ["N", 3])
        .Build().ToBytes();

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(7)]
    public void Run_PlainTensors_GivesRowsLabelsAndDigestsInOrder(int workers)
    {
        using ImageGraph graph = Open(workers);
        (ImageRows rows, int[] labels) = new TensorRunner(graph).Run(Plain(50), "means", 50, null, CancellationToken.None);
        CollectionAssert.AreEqual(Enumerable.Range(0, 50).ToArray(), rows.Accepted);
        CollectionAssert.AreEqual(Enumerable.Range(0, 50).Select(i => i % 4).ToArray(), labels);
        for (int i = 0; i < 50; i++)
        {
            for (int c = 0; c < 3; c++) Assert.AreEqual(i + c, rows.Row(i)[c], 1e-4f, "a mean of 64 equal floats");
            CollectionAssert.AreEqual(SHA256.HashData(MemoryMarshal.AsBytes<float>(Tensor(i))), rows.Digests[(i * 32)..((i + 1) * 32)]);
        }
    }

    [TestMethod]
    public void Run_NoTensors_GivesNoRows()
    {
        using ImageGraph graph = Open(2);
        (ImageRows rows, int[] labels) = new TensorRunner(graph).Run(Plain(0), "means", 0, null, CancellationToken.None);
        Assert.IsEmpty(rows.Values);
        Assert.IsEmpty(labels);
    }

    [TestMethod]
    public void Run_KnownToTheCache_DoesNotRunTheGraph()
    {
        using ImageGraph graph = Open(2);
        (ImageRows rows, _) = new TensorRunner(graph, new Knows(SHA256.HashData(MemoryMarshal.AsBytes<float>(Tensor(3))))).Run(Plain(5), "means", 5, null, CancellationToken.None);
        Assert.AreEqual(1, rows.FromCache);
        CollectionAssert.AreEqual(new float[] { 7, 7, 7 }, rows.Row(3).ToArray());
        Assert.AreEqual(4, rows.Row(4)[0], 1e-4f);
    }

    [TestMethod]
    public void Run_NotANumber_NamesTheImage()
    {
        using ImageGraph graph = Open(2);
        NextTensor plain = Plain(9);
        int row = 0;
        TransferException e = Assert.ThrowsExactly<TransferException>(() => new TensorRunner(graph).Run(Next, "means", 9, null, CancellationToken.None));
        StringAssert.Contains(e.Message, "Image 6 (counted from 0) cannot be used: the graph gave NaN");

        bool Next(Span<float> tensor, out int label)
        {
            if (!plain(tensor, out label)) return false;
            if (row++ == 6) tensor[5] = float.NaN;
            return true;
        }
    }

    [TestMethod]
    public void Run_SourceFails_ThrowsThatAndEnds()
    {
        using ImageGraph graph = Open(3);
        NextTensor plain = Plain(int.MaxValue);
        int row = 0;
        InvalidDataException e = Assert.ThrowsExactly<InvalidDataException>(() => new TensorRunner(graph).Run(Next, "means", 0, null, CancellationToken.None));
        Assert.AreEqual("row 20", e.Message);

        bool Next(Span<float> tensor, out int label) => row++ < 20 ? plain(tensor, out label) : throw new InvalidDataException("row 20");
    }

    [TestMethod]
    public void Run_Cancelled_Ends()
    {
        using ImageGraph graph = Open(2);
        using var source = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => new TensorRunner(graph).Run(Plain(int.MaxValue), "means", 0, new CancelAt(10, source), source.Token));
    }

    private static ImageGraph Open(int workers) => new(MeanColour, "row", new Preprocessing { Size = Size }, plan: new ExecutionPlan { Workers = workers });

    /// <summary>Channel c of image i is i + c everywhere.</summary>
    private static float[] Tensor(int i) => [.. Enumerable.Range(0, Length).Select(k => (float)(i + k / (Size * Size)))];

    private static NextTensor Plain(int count)
    {
        int i = 0;
        return Next;

        bool Next(Span<float> tensor, out int label)
        {
            label = i % 4;
            if (i >= count) return false;
            Tensor(i++).CopyTo(tensor);
            return true;
        }
    }

    private sealed class Knows(byte[] key) : IRowCache
    {
        public bool TryRead(ReadOnlySpan<byte> image, Span<float> row)
        {
            if (!image.SequenceEqual(key)) return false;
            row.Fill(7);
            return true;
        }

        public void Add(ReadOnlySpan<byte> image, ReadOnlySpan<float> row) => Assert.IsFalse(image.SequenceEqual(key));
    }

    private sealed class CancelAt(int count, CancellationTokenSource source) : IProgress<JobProgress>
    {
        public void Report(JobProgress value)
        {
            if (value.Done == count) source.Cancel();
        }
    }
}
