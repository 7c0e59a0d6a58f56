using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;
using MlNetTransfer.Tests.Backbones.Onnx;

namespace MlNetTransfer.Tests.Backbones;

[TestClass]
public sealed class ItemGraphBatchTests
{
    [TestMethod]
    public void Run_AnyCount_GivesTheRowsOfSingleRuns()
    {
        using ItemGraph graph = new(TinyOnnx.Model().ToBytes(), "logits", new Preprocessing { Size = TinyOnnx.Size });
        using ItemGraphWorker worker = graph.CreateWorker();
        using ItemGraphBatch batch = graph.CreateBatch(5);
        float[] images = TinyOnnx.Images(5),
            expected = new float[graph.OutputWidth];
        int length = graph.Preprocessing.TensorLength;
        // Falling as well, so that a place keeps a row of an earlier run that must not be taken for one of this.
        foreach (int count in (int[])[1, 5, 3, 2, 5])
        {
            for (int i = 0; i < count; i++)
                images.AsSpan((i + count) % 5 * length, length).CopyTo(batch.Input(i));
            batch.Run(count);
            for (int i = 0; i < count; i++)
            {
                worker.Run(images.AsSpan((i + count) % 5 * length, length), expected);
                for (int j = 0; j < expected.Length; j++)
                    Assert.AreEqual(expected[j], batch.Row(i)[j], 1e-5, "float32 sums, perhaps in another order");
            }
        }
    }

    [TestMethod]
    public void Row_NotFinite_RejectsThatImageOnly()
    {
        using ItemGraph graph = new(TinyOnnx.Model().ToBytes(), "logits", new Preprocessing { Size = TinyOnnx.Size });
        using ItemGraphBatch batch = graph.CreateBatch(2);
        batch.Input(0).Fill(float.NaN);
        batch.Input(1).Fill(0.5f);
        batch.Run(2);
        StringAssert.Contains(Assert.ThrowsExactly<ImageRejectedException>(() => batch.Row(0).ToArray()).Reason, "NaN");
        Assert.IsTrue(batch.Row(1).ToArray().All(float.IsFinite));
        Assert.ThrowsExactly<OutOfRangeException>(() => graph.CreateBatch(0));
    }
}
